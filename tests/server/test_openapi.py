"""The description of the API: nothing is served that it does not tell, nothing is told that is not served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from callflow.server.app import described
from tests.server.stage import Stage, on_stage

METHODS = {"get", "put", "post", "patch", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described()["paths"].items():
        for method in METHODS & set(item):
            yield path, method, item[method]


def test_it_is_served_and_has_every_route(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        answer = await stage.get("/v2/openapi.json", token="")
        assert answer.json == described()
        served = {
            (route.resource.canonical, route.method.lower())
            for route in stage.app.router.routes()
            if route.resource is not None and route.method not in {"HEAD", "*"}
        }
        assert served == {(path, method) for path, method, _ in operations()}

    on_stage(tmp_path, main)


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [each["operationId"] for _, _, each in operations()]
    assert sorted(set(names)) == sorted(names)


def test_every_parameter_of_a_path_is_described() -> None:
    for path, item in described()["paths"].items():
        told = {each["name"] for each in item.get("parameters", ()) if each["in"] == "path"}
        assert told == set(re.findall(r"\{(\w+)\}", path)), path


def test_every_schema_is_one() -> None:
    for place, schema in _schemas(described(), ""):
        try:
            Draft202012Validator.check_schema(schema)
        except Exception as error:
            pytest.fail(f"{place}: {error}")


def test_every_reference_leads_somewhere() -> None:
    whole = described()
    for place, target in _references(whole, ""):
        found: Any = whole
        for step in target.removeprefix("#/").split("/"):
            assert step in found, f"{place}: {target}"
            found = found[step]


def _schemas(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "schema":
                yield f"{place}/{key}", each
            elif key == "schemas":
                yield from ((f"{place}/{key}/{name}", one) for name, one in each.items())
            else:
                yield from _schemas(each, f"{place}/{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _schemas(each, f"{place}/{number}")


def _references(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str) and value["$ref"].startswith("#/components"):
            yield place, value["$ref"]
        for key, each in value.items():
            yield from _references(each, f"{place}/{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _references(each, f"{place}/{number}")
