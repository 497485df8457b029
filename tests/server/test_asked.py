"""What is asked for must be as it is described."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import UrlMappingMatchInfo
from jsonschema import Draft202012Validator

from callflow.errors import ApiError
from callflow.server.asked import check_query, checks_of
from callflow.server.openapi import some_of

DESCRIPTION = {
    "paths": {
        "/v2/things": {
            "parameters": [{"name": "all", "in": "query", "schema": {"type": "boolean"}}],
            "get": {
                "parameters": [
                    {"name": "page_size", "in": "query", "schema": {"type": "integer", "maximum": 50}},
                    {"name": "least", "in": "query", "schema": {"type": "number", "minimum": 0}},
                    {"name": "state", "in": "query", "schema": {"enum": ["up", "over"]}},
                    {"name": "of", "in": "query", "schema": some_of(("UP", "OVER"))},
                    {"name": "X-Thing", "in": "header", "schema": {"type": "integer"}},
                ]
            },
        },
        "/v1/things": {"get": {"parameters": [{"name": "n", "in": "query", "schema": {"type": "integer"}}]}},
    }
}


class _Resource:
    def __init__(self, canonical: str) -> None:
        self.canonical = canonical


class _Route:
    def __init__(self, canonical: str) -> None:
        self.resource = _Resource(canonical)


def ask(query: str, path: str = "/v2/things", method: str = "GET") -> None:
    match = UrlMappingMatchInfo({}, _Route(path))  # type: ignore[arg-type]
    request = make_mocked_request(method, f"{path}?{query}")
    request._match_info = match
    check_query(request, checks_of(DESCRIPTION))


@pytest.mark.parametrize(
    "query",
    ["", "page_size=50", "page_size=-1", "least=0.5", "all=true", "all=false", "state=up", "other=1&other=2"],
)
def test_what_is_described_passes(query: str) -> None:
    ask(query)
    ask(query, method="HEAD")


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("page_size=51", "page_size", "maximum"),
        ("page_size=1.0", "page_size", "type"),
        ("page_size=", "page_size", "type"),
        ("page_size=1&page_size=2", "page_size", "once"),
        ("page_size=%D9%A1", "page_size", "type"),
        ("page_size=" + "9" * 30, "page_size", "type"),
        ("least=nan", "least", "type"),
        ("least=-1", "least", "minimum"),
        ("all=1", "all", "type"),
        ("state=gone", "state", "enum"),
    ],
)
def test_all_else_is_named(query: str, field: str, rule: str) -> None:
    with pytest.raises(ApiError) as told:
        ask(query)
    assert told.value.status == 400
    assert list(told.value.data) == [field] and list(told.value.data[field]) == [rule]


def test_paths_that_judge_themselves() -> None:
    ask("n=x", "/v1/things")
    ask("page_size=x", "/v2/things", "POST")
    assert all(
        isinstance(each, Draft202012Validator)
        for each in checks_of(DESCRIPTION)["GET", "/v2/things"].values()
    )


def test_a_pattern_is_told_in_words() -> None:
    ask("of=UP,OVER")
    with pytest.raises(ApiError) as refused:
        ask("of=Up")
    assert refused.value.message == "of is 'Up': one of UP, OVER, or several with commas between"
