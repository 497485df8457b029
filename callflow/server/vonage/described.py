"""Layer 6: the routes of Vonage's API as OpenAPI path items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callflow.server.openapi import parameter
from callflow.server.vonage.book import STATES
from callflow.server.vonage.control import ACTIONS
from callflow.server.vonage.files import FILE
from callflow.server.vonage.files import PATHS as FILES

Json = Mapping[str, Any]

TEXT: Json = {"type": "string"}
URLS: Json = {"type": "array", "items": {"type": "string", "format": "uri"}, "minItems": 1, "maxItems": 1}
NCCO: Json = {"type": "array", "items": {"type": "object", "required": ["action"]}, "minItems": 1}
METHOD: Json = {"enum": ["GET", "POST"]}
LEVEL: Json = {"type": "number", "minimum": -1, "maximum": 1, "default": 0}
LOOP: Json = {"type": "integer", "minimum": 0, "default": 1}
ENDPOINT: Json = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"enum": ["phone", "sip", "app", "vbc", "websocket"]},
        "number": TEXT,
        "uri": TEXT,
        "user": TEXT,
        "extension": TEXT,
        "dtmfAnswer": TEXT,
        "headers": {"type": "object"},
        "standard_headers": {"type": "object"},
    },
}
CALL: Json = {
    "type": "object",
    "required": ["uuid", "conversation_uuid", "from", "to", "status", "direction", "_links"],
    "properties": {
        "_links": {"type": "object"},
        "uuid": TEXT,
        "conversation_uuid": TEXT,
        "from": ENDPOINT,
        "to": ENDPOINT,
        "status": {"enum": list(STATES)},
        "direction": {"enum": ["inbound", "outbound"]},
        **dict.fromkeys(("start_time", "end_time", "duration", "rate", "price", "network"), TEXT),
    },
}
CREATED: Json = {
    "type": "object",
    "properties": dict.fromkeys(("uuid", "status", "direction", "conversation_uuid"), TEXT),
}
PAGE: Json = {
    "type": "object",
    "properties": {
        **{key: {"type": "integer"} for key in ("count", "page_size", "record_index")},
        "_links": {"type": "object"},
        "_embedded": {"type": "object", "properties": {"calls": {"type": "array", "items": CALL}}},
    },
}
DONE: Json = {"type": "object", "properties": {"message": TEXT, "uuid": TEXT}}
WANTED: Json = {
    "type": "object",
    "required": ["to"],
    "properties": {
        "to": {"type": "array", "items": ENDPOINT, "minItems": 1, "maxItems": 1},
        "from": ENDPOINT,
        "random_from_number": {"type": "boolean"},
        "ncco": NCCO,
        "answer_url": URLS,
        "answer_method": METHOD,
        "event_url": URLS,
        "event_method": METHOD,
        "machine_detection": {"enum": ["continue", "hangup"]},
        "advanced_machine_detection": {"type": "object"},
        "length_timer": {"type": "integer", "minimum": 1, "maximum": 86400, "default": 7200},
        "ringing_timer": {"type": "integer", "minimum": 1, "maximum": 120, "default": 60},
    },
}
RECORD: Json = {
    "type": "object",
    "required": ["action"],
    "properties": {
        "action": {"enum": ["start", "stop"]},
        "event_url": URLS,
        "event_method": METHOD,
        "split": {"const": "conversation"},
        "channels": {"type": "integer", "minimum": 1, "maximum": 32},
        "format": {"enum": ["mp3", "wav", "ogg"]},
        "time_out": {"type": "integer", "minimum": 0, "maximum": 7200},
        "transcription": {"type": "object"},
    },
}
ERROR: Json = {
    "type": "object",
    "properties": {"type": TEXT, "error_title": TEXT, "invalid_parameters": {"type": "object"}},
}
PROBLEM: Json = {"type": "object", "properties": {"code": TEXT, "description": TEXT, "error": {}}}
SCHEMAS: Json = {
    "VonageCall": CALL,
    "VonageError": ERROR,
    "VonageProblem": PROBLEM,
}


def _object(keys: Mapping[str, Json], *required: str) -> Json:
    return {"type": "object", "properties": dict(keys), "required": list(required)}


def _operation(
    id: str,
    summary: str,
    answer: tuple[int, Json | None],
    *,
    body: Json | None = None,
    query: Sequence[Json] = (),
    content: Json | None = None,
    error: str = "VonageError",
    refusals: Mapping[int, str],
) -> dict[str, Any]:
    status, schema = answer
    done: dict[str, Any] = {"description": summary}
    if content or schema is not None:
        done["content"] = content or {"application/json": {"schema": schema}}
    failed = {"application/json": {"schema": {"$ref": f"#/components/schemas/{error}"}}}
    told = {str(code): {"description": said, "content": failed} for code, said in refusals.items()}
    found: dict[str, Any] = {
        "operationId": id,
        "summary": summary,
        "security": [{"bearer": []}],
        "description": "For an application, by a token (JWT) that its key has signed: docs/ncco_rest.md.",
        "responses": {str(status): done, **told},
    }
    if query:
        found["parameters"] = list(query)
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


_TOKEN = {401: "No token, or none that is good."}
_THERE = {**_TOKEN, 404: "There is no such thing of this application."}
_BODY = {400: "The request is wrong: which key, and why.", **_THERE}
_QUERY = (
    parameter("status", {"enum": list(STATES)}, "Calls in that state."),
    parameter("date_start", TEXT, "Begun at that time or later."),
    parameter("date_end", TEXT, "Begun at that time or before."),
    parameter("conversation_uuid", TEXT, "Calls in that conversation."),
    parameter("page_size", {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}, "Of a page."),
    parameter("record_index", {"type": "integer", "minimum": 0, "default": 0}, "Where the page begins."),
    parameter("order", {"enum": ["asc", "desc"]}, "asc: the oldest first."),
)
_STREAM = _object({"stream_url": URLS, "loop": LOOP, "level": LEVEL}, "stream_url")
_TALK = _object(
    {"text": TEXT, "language": TEXT, "style": {"type": "integer"}, "loop": LOOP, "level": LEVEL}, "text"
)
_CHANGE = _object({"action": {"enum": list(ACTIONS)}, "destination": {"type": "object"}}, "action")
_LISTEN = _object({"event_url": URLS, "event_method": METHOD})


def _both(id: str, what: str, body: Json) -> dict[str, Any]:
    return {
        "put": _operation(f"vonage{id}", f"{what}.", (200, DONE), body=body, refusals=_BODY),
        "delete": _operation(f"vonage{id}End", f"{what}: no longer.", (200, DONE), refusals=_BODY),
    }


PATHS: Mapping[str, Mapping[str, Any]] = {
    **{
        path: {
            "get": _operation(id, "A recording, or a transcript.", (200, None), content=FILE, refusals=_THERE)
        }
        for path, id in zip(FILES, ("vonageFile", "vonageFileById"), strict=True)
    },
    "/v1/calls": {
        "post": _operation(
            "vonageCreateCall",
            "Begin a call.",
            (201, CREATED),
            body=WANTED,
            refusals={**_BODY, 429: "As many calls are up as may be.", 503: "The server is about to end."},
        ),
        "get": _operation("vonageCalls", "Calls.", (200, PAGE), query=_QUERY, refusals=_BODY),
    },
    "/v1/calls/{uuid}": {
        "get": _operation("vonageCall", "A call.", (200, CALL), refusals=_THERE),
        "put": _operation(
            "vonageChangeCall", "Hang up, mute, earmuff, transfer.", (204, None), body=_CHANGE, refusals=_BODY
        ),
    },
    "/v1/calls/{uuid}/stream": _both("Stream", "Play a file to a leg", _STREAM),
    "/v1/calls/{uuid}/talk": _both("Talk", "Say a text to a leg", _TALK),
    "/v1/calls/{uuid}/dtmf": {
        "put": _operation(
            "vonageDtmf",
            "Send digits to a leg.",
            (200, DONE),
            body=_object({"digits": TEXT}, "digits"),
            refusals=_BODY,
        )
    },
    "/v1/calls/{uuid}/input/dtmf": _both("Listen", "Send each digit that is pressed", _LISTEN),
    "/v1/conversations/{conversation_id}/record": {
        "put": _operation(
            "vonageRecord",
            "Record a conversation, or no longer.",
            (204, None),
            body=RECORD,
            error="VonageProblem",
            refusals=_BODY,
        )
    },
}
