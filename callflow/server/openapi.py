"""Layer 6: the description of the HTTP API (OpenAPI 3.1), put together from what each route file says of its
routes, and served at ``/v2/openapi.json``.

A route file writes ``PATHS`` with ``operation``::

    PATHS = {
        "/v2/accounts/{account_id}/recordings/{recording_id}": {
            "get": operation("recording", "One recording.", scope="recordings:read", data={"type": "object"})
        }
    }

Parameters of the path (texts) need not be said. ``SCHEMAS`` of a route file, by name, are there as
``{"$ref": "#/components/schemas/NAME"}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from callflow import __version__

Json = Mapping[str, Any]

_PARAMETER = re.compile(r"\{(\w+)\}")
_REFUSALS = {"400": "BadRequest", "429": "TooMany", "500": "Fault", "503": "Unavailable"}
_WITH_TOKEN = {"401": "NoToken", "403": "LacksScope", "404": "NotFound"}
_MEANINGS = {
    "BadRequest": "The request is wrong: `data` names each field, and what is wrong with it.",
    "NoToken": "No token, or none that is good.",
    "LacksScope": "The token lacks the scope.",
    "NotFound": "It is not there, or it is another account's.",
    "NotAcceptable": "Nothing that is to be had is among what `Accept` names.",
    "Conflict": "What is asked for does not fit what is there.",
    "PreconditionFailed": "It was changed since: its revision is another one.",
    "TooLarge": "The body is too large.",
    "UnsupportedType": "A body of this content type is not read.",
    "TooMany": "Too many wrong tokens from this address, or too much at once: see `Retry-After`.",
    "Fault": "A fault of the server: its log says more.",
    "Unavailable": "The state folder cannot be used at the moment.",
}
_MORE = {"406": "NotAcceptable", "409": "Conflict", "412": "PreconditionFailed", "413": "TooLarge",
         "415": "UnsupportedType"}  # fmt: skip
_ERROR: Json = {
    "type": "object",
    "required": ["data", "status", "error", "message", "request_id"],
    "properties": {
        "data": {"type": "object"},
        "status": {"const": "error"},
        "error": {"type": "string", "pattern": "^[45][0-9][0-9]$"},
        "message": {"type": "string"},
        "request_id": {"type": "string"},
    },
}


def operation(
    operation_id: str,
    summary: str,
    *,
    scope: str = "",
    data: Json | None = None,
    content: Json | None = None,
    status: int = 200,
    query: Sequence[Json] = (),
    body: Json | None = None,
    content_in: Json | None = None,
    refusals: Sequence[int] = (),
    responses: Json | None = None,
    description: str = "",
) -> dict[str, Any]:
    """One operation. ``scope``: what a token needs (empty: no token is needed). The answer is the envelope
    around ``data`` (a JSON schema; None: anything), or ``content`` (OpenAPI's, by content type). ``query``:
    parameters, see ``parameter``. ``body``: the schema of ``data`` in the request's body; ``content_in``:
    the body, by content type. ``refusals``: statuses beyond 400, 401, 403, 404, 429. ``responses``: more.
    """
    shown = content if content is not None else {"application/json": {"schema": enveloped(data)}}
    told: dict[str, Any] = {str(status): {"description": summary, "content": shown}}
    names = {**_REFUSALS, **(_WITH_TOKEN if scope else {})}
    names |= {code: name for code, name in _MORE.items() if int(code) in refusals}
    told |= {code: {"$ref": f"#/components/responses/{name}"} for code, name in names.items()}
    told |= responses or {}
    said: dict[str, Any] = {
        "operationId": operation_id,
        "summary": summary,
        "security": [{"token": []}, {"bearer": []}] if scope else [],
        "responses": told,
    }
    if scope:
        said["description"] = f"{description}\n\nScope: `{scope}`.".strip()
    elif description:
        said["description"] = description
    if query:
        said["parameters"] = list(query)
    if body is not None:
        content_in = {"application/json": {"schema": _sent(body)}}
    if content_in is not None:
        said["requestBody"] = {"required": True, "content": content_in}
        told.setdefault("413", {"$ref": "#/components/responses/TooLarge"})
    return said


def parameter(
    name: str, schema: Json, description: str, *, place: str = "query", required: bool = False
) -> Json:
    """A parameter of the query (or header: ``place``)."""
    said = {"name": name, "in": place, "schema": schema, "description": description}
    return {**said, "required": True} if required or place == "path" else said


def some_of(values: Iterable[str]) -> Json:
    """The schema of a text that names one of these, or several with commas between."""
    known = tuple(values)
    one = f"({'|'.join(map(re.escape, known))})"
    words = f"one of {', '.join(known)}, or several with commas between"
    return {"type": "string", "pattern": f"^({one}(,{one})*)?$", "description": words}


def enveloped(data: Json | None) -> Json:
    """The schema of an answer around ``data``."""
    return {
        "type": "object",
        "required": ["data", "status", "request_id"],
        "properties": {
            "data": dict(data) if data is not None else {},
            "status": {"const": "success"},
            "request_id": {"type": "string"},
            "revision": {"type": "string"},
            "page_size": {"type": "integer", "minimum": 0},
            "start_key": {"type": "string"},
            "next_start_key": {"type": "string"},
        },
    }


def describe(files: Iterable[ModuleType]) -> dict[str, Any]:
    """The description of all that these route files serve."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for file in files:
        for path, item in file.PATHS.items():
            paths.setdefault(path, {}).update(_with_parameters(path, item))
        schemas |= getattr(file, "SCHEMAS", {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "callflow",
            "version": __version__,
            "description": "Recordings, deliveries, callflows and live calls of a callflow server.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {"Error": _ERROR, **schemas},
            "responses": {
                name: {
                    "description": meaning,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for name, meaning in _MEANINGS.items()
            },
        },
    }


def _with_parameters(path: str, item: Json) -> dict[str, Any]:
    """The path item with the parameters of its path."""
    said = {each["name"] for each in item.get("parameters", ()) if each.get("in") == "path"}
    text = {"type": "string", "minLength": 1}
    more = [parameter(name, text, "", place="path") for name in _PARAMETER.findall(path) if name not in said]
    return {**item, "parameters": [*item.get("parameters", ()), *more]} if more else dict(item)


def _sent(data: Json) -> Json:
    return {"type": "object", "required": ["data"], "properties": {"data": data}}
