"""Layer 6: the query of a request, held against what the description says of it: what is described is true.

A parameter that is given twice, is no number where one is wanted, or is none of the values that there are,
is a 400 that names it. What is not described is passed over. Only paths under ``/v2/``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

from callflow.log import one_line
from callflow.server.envelope import invalid

Check = Mapping[str, Draft202012Validator]
Checks = Mapping[tuple[str, str], Check]
"""By method and path: by parameter, what its value must be."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_BOOLEANS = {"true": True, "false": False}


def checks_of(description: Mapping[str, Any]) -> Checks:
    """What is to be checked, of an OpenAPI description."""
    found = {}
    for path, item in description["paths"].items():
        for method, said in item.items():
            if method == "parameters" or not path.startswith("/v2/"):
                continue
            found[method.upper(), path] = {
                each["name"]: Draft202012Validator(each["schema"])
                for each in (*item.get("parameters", ()), *said.get("parameters", ()))
                if each["in"] == "query"
            }
    return found


def check_query(request: web.Request, checks: Checks) -> None:
    """Raises ApiError 400."""
    resource = request.match_info.route.resource
    method = "GET" if request.method == "HEAD" else request.method
    for name, schema in checks.get((method, resource.canonical if resource else ""), {}).items():
        values = request.query.getall(name, [])
        if len(values) > 1:
            raise invalid(name, "once", f"{name} is given {len(values)} times")
        if values:
            _check(name, values[0], schema)


def _check(name: str, text: str, schema: Draft202012Validator) -> None:
    assert isinstance(schema.schema, Mapping)
    error = next(schema.iter_errors(_read(text, schema.schema.get("type"))), None)
    if error is not None:
        rule = str(error.validator)
        wanted = f"its {rule} is {one_line(error.validator_value, 200)}"
        if rule == "pattern":  # say it in words, where there are some
            wanted = schema.schema.get("description", wanted)
        raise invalid(name, rule, f"{name} is {one_line(text, 60)!r}: {wanted}")


def _read(text: str, kind: object) -> Any:
    """The value that the text stands for, or the text itself, which is then of the wrong type."""
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text):
        return float(text)
    if kind == "boolean":
        return _BOOLEANS.get(text, text)
    return text
