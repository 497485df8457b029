"""Layer 6: the paths of callflows, as OpenAPI describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents import schemas
from callflow.server.openapi import enveloped, operation, parameter
from callflow.server.v2.listing import MOST, PAGE

_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "required": ["level", "code", "message", "hint", "pointer", "line", "column"],
    "properties": {
        "level": {"enum": ["error", "warning", "note"]},
        "code": {"type": "string", "description": "As `callflow check` has it; docs/codes.md lists them."},
        "message": _TEXT,
        "hint": _TEXT,
        "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) from the document on."},
        "line": {"type": "integer", "minimum": 1, "description": "Of the body as it was sent."},
        "column": {"type": "integer", "minimum": 1},
    },
}
_FLOW = {"type": "object", "description": "The tree: module, data, children."}
_NODE = {
    **_FLOW,
    "required": ["module", "data"],
    "properties": {
        "module": {"enum": list(schemas.module_names())},
        "data": {"type": "object"},
        "children": {"type": "object"},
    },
}


def _callflow(flow: Mapping[str, Any] = _FLOW) -> dict[str, Any]:
    """The document's schema, with its tree as any object, or ``flow``: ``callflow schema`` has all of it."""
    schema = schemas.load("callflow")
    properties = {name: part for name, part in schema["properties"].items() if "$ref" not in str(part)}
    return {
        "type": "object",
        "description": schema["description"],
        "required": ["flow"],
        "properties": {**properties, "flow": flow},
    }


_DOCUMENT = {"$ref": "#/components/schemas/Callflow"}
SCHEMAS: Mapping[str, Any] = {
    "Callflow": _callflow(),
    "NewCallflow": _callflow(_NODE),
    "Problem": _PROBLEM,
}
_ROW = {
    "type": "object",
    "required": ["id", "numbers", "patterns", "modules"],
    "properties": {"id": _TEXT, "modules": {"type": "array", "items": _TEXT}},
}
PAGING = (
    parameter("page_size", {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE}, "How many."),
    parameter("start_key", _TEXT, "`next_start_key` of the page before."),
    parameter("paginate", {"enum": ["true", "false"]}, "`false`: all of them in one page."),
)
FILTERS = (
    parameter("has_key", _TEXT, "Only documents that have this key (dots lead into objects)."),
    parameter("key_missing", _TEXT, "Only documents without it."),
    parameter(
        "filter_numbers", _TEXT, "Only those with this number; `filter_KEY=VALUE` works for every key."
    ),
)
REVISION = {"type": "string", "pattern": r'^(\*|(W/)?"[0-9a-f]{32}")$', "examples": ["*"]}
IF_MATCH = parameter(
    "If-Match", REVISION, "The revision that is to be changed; another one is a 412.", place="header"
)
SENT: Mapping[str, Any] = {
    "application/json": {
        "schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "object"}}}
    },
    "text/plain": {"schema": {"type": "string", "description": "The document itself, as an editor has it."}},
}


def sent(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A body that has ``data``, or is the document itself as text."""
    schema = {"type": "object", "required": ["data"], "properties": {"data": data}}
    return {**SENT, "application/json": {"schema": schema}}


_NEW = sent({"$ref": "#/components/schemas/NewCallflow"})
DRAWN = sent(
    {
        "type": "object",
        "description": "A callflow, or a bare flow.",
        "anyOf": [
            {"required": ["flow"]},
            {"required": ["module"]},
        ],
    }
)
SVG: Mapping[str, Any] = {"image/svg+xml": {"schema": {"type": "string"}}}
_ALL = "/v2/accounts/{account_id}/callflows"
_ONE = _ALL + "/{callflow_id}"
_READ, _WRITE = "callflows:read", "callflows:write"
_ID = parameter("id", {"type": "string"}, "The stored callflow that it is meant to replace.")

PATHS: Mapping[str, Mapping[str, Any]] = {
    _ALL: {
        "get": operation(
            "list_callflows",
            "Callflows of the account, by id, without their trees.",
            scope=_READ,
            data={"type": "array", "items": _ROW},
            query=(
                *PAGING,
                parameter("number", _TEXT, "Only the one that a call to this number is led to."),
                parameter("module", _TEXT, "Only those with a node of this module."),
                *FILTERS,
            ),
        ),
        "put": operation(
            "create_callflow",
            "A new callflow; without an `id` it gets one. It is in force when the answer comes.",
            scope=_WRITE,
            data=_DOCUMENT,
            status=201,
            content_in=_NEW,
            refusals=(409,),
        ),
    },
    f"{_ALL}/validate": {
        "post": operation(
            "validate_callflow",
            "What `callflow check` says about a document; nothing is saved.",
            scope=_READ,
            query=(_ID,),
            content_in={**SENT, "application/json": {"schema": {"type": "object", "required": ["data"]}}},
            data={
                "type": "object",
                "required": ["valid", "errors", "warnings", "problems"],
                "properties": {
                    "valid": {"type": "boolean"},
                    "errors": {"type": "integer"},
                    "warnings": {"type": "integer"},
                    "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
                },
            },
        )
    },
    _ONE: {
        "get": operation(
            "get_callflow",
            "A callflow as it is in its file.",
            scope=_READ,
            query=(parameter("If-None-Match", _TEXT, "A revision that is known.", place="header"),),
            responses={"304": {"description": "It is the revision that is known."}},
            content={
                "application/json": {"schema": enveloped(_DOCUMENT)},
                "text/plain": {
                    "schema": {"type": "string", "description": "The file itself, for an editor."}
                },
            },
        ),
        "post": operation(
            "replace_callflow",
            "What is sent takes the callflow's place.",
            scope=_WRITE,
            data=_DOCUMENT,
            query=(IF_MATCH,),
            content_in=_NEW,
            refusals=(409, 412),
        ),
        "patch": operation(
            "change_callflow",
            "What is sent is merged into it (RFC 7396: null removes a key).",
            scope=_WRITE,
            data=_DOCUMENT,
            query=(IF_MATCH,),
            content_in=SENT,
            refusals=(409, 412),
        ),
        "delete": operation(
            "delete_callflow",
            "The callflow is gone; refused while other documents of the account need it.",
            scope=_WRITE,
            data=_DOCUMENT,
            query=(IF_MATCH,),
            refusals=(409, 412),
        ),
    },
}
