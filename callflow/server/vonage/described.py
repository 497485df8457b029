"""Layer 6: the routes of Vonage's API as OpenAPI path items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callflow.ncco.channels import MAX_CHANNELS
from callflow.ncco.script import MAX_ACTIONS
from callflow.server.openapi import parameter
from callflow.server.vonage import bodies
from callflow.server.vonage.book import STATES
from callflow.server.vonage.calls import LONGEST_CALL_S, LONGEST_RING_S, MOST_HEADERS, MOST_INDEX
from callflow.server.vonage.control import ACTIONS
from callflow.server.vonage.conversations import FORMATS
from callflow.server.vonage.files import FILE
from callflow.server.vonage.files import PATHS as FILES
from callflow.server.vonage.prompts import DIGITS, MOST_LOOPS

Json = Mapping[str, Any]

TEXT: Json = {"type": "string"}
_URL: Json = {"type": "string", "pattern": "^https?://.", "maxLength": bodies.MOST_TEXT}
URLS: Json = {"type": "array", "items": _URL, "minItems": 1, "maxItems": 1}


def _optional(keys: Mapping[str, Json]) -> dict[str, Json]:
    """Keys that may be there: null is as good as not."""
    return {key: {"anyOf": [schema, {"type": "null"}]} for key, schema in keys.items()}


NCCO: Json = {
    "type": "array",
    "items": {"type": "object", "required": ["action"], "properties": {"action": TEXT}},
    "minItems": 1,
    "maxItems": MAX_ACTIONS,
}
METHOD: Json = {"enum": ["GET", "POST", "get", "post", ""]}
LEVEL: Json = {"type": "number", "minimum": -1, "maximum": 1, "default": 0}
LOOP: Json = {"type": "integer", "minimum": 0, "maximum": MOST_LOOPS, "default": 1}
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
_PRESSED: Json = {**TEXT, "pattern": "^[0-9*#p]{0,100}$"}
_PRINTED: Json = {**TEXT, "pattern": "^[!-~]([ -~]*[!-~])?$", "maxLength": 200}
_HEADERS: Json = {
    "type": ["object", "null"],
    "propertyNames": {"pattern": "^[A-Za-z0-9-]{1,64}$"},
    "additionalProperties": {**TEXT, "pattern": "^[ -~]{0,1000}$"},
    "maxProperties": MOST_HEADERS,
}
_STANDARD: Json = {
    "type": ["object", "null"],
    "properties": {"User-to-User": _PRINTED},
    "additionalProperties": False,
}


def _object(keys: Mapping[str, Json], *required: str) -> Json:
    return {"type": "object", "properties": dict(keys), "required": list(required)}


def _end(kind: str, name: str, form: Json, more: Json | None = None) -> Json:
    return {
        "type": "object",
        "required": ["type", name],
        "properties": {"type": {"const": kind}, name: form, **(more or {})},
    }


TO: Json = {
    "anyOf": [
        _end("phone", "number", {**TEXT, "pattern": r"^\+?[0-9]{2,15}$"}, {"dtmfAnswer": _PRESSED}),
        _end(
            "sip",
            "uri",
            {**TEXT, "pattern": "^sips?:[!-~]{1,400}$"},
            {"headers": _HEADERS, "standard_headers": _STANDARD},
        ),
        _end("app", "user", _PRINTED, {"dtmfAnswer": _PRESSED}),
        _end("vbc", "extension", _PRINTED, {"dtmfAnswer": _PRESSED}),
        _end(
            "websocket", "uri", {**TEXT, "pattern": "^wss?://[!-~]{1,400}$"}, {"headers": {"type": "object"}}
        ),
    ]
}
WANTED: Json = {
    "type": "object",
    "required": ["to"],
    "oneOf": [{"required": ["ncco"]}, {"required": ["answer_url"]}],
    "anyOf": [
        {"required": ["from"], "properties": {"random_from_number": {"enum": [False, None]}}},
        {
            "required": ["random_from_number"],
            "properties": {"random_from_number": {"const": True}},
            "not": {"required": ["from"]},
        },
    ],
    "properties": {
        "to": {"type": "array", "items": TO, "minItems": 1, "maxItems": 1},
        "from": {"anyOf": [_object({"number": _PRINTED}, "number"), _PRINTED]},
        "random_from_number": {"type": ["boolean", "null"]},
        "ncco": NCCO,
        "answer_url": URLS,
        **_optional(
            {
                "answer_method": METHOD,
                "event_url": URLS,
                "event_method": METHOD,
                "machine_detection": {"enum": ["continue", "hangup", ""]},
                "advanced_machine_detection": {"type": "object"},
                "length_timer": {"type": "integer", "minimum": 1, "maximum": LONGEST_CALL_S, "default": 7200},
                "ringing_timer": {"type": "integer", "minimum": 1, "maximum": LONGEST_RING_S, "default": 60},
            }
        ),
    },
}
_START: Json = {
    "required": ["action"],
    "properties": {
        "action": {"const": "start"},
        **_optional(
            {
                "event_url": URLS,
                "event_method": METHOD,
                "split": {"enum": ["conversation", ""]},
                "channels": {"type": "integer", "minimum": 1, "maximum": MAX_CHANNELS},
                "format": {"enum": [*FORMATS, ""]},
                "time_out": {"type": "integer", "minimum": 0, "maximum": 7200},
                "transcription": {"type": "object"},
            }
        ),
    },
}
_STOP: Json = {"required": ["action"], "properties": {"action": {"const": "stop"}}}
RECORD: Json = {"type": "object", "anyOf": [_START, _STOP]}
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
_MOMENT: Json = {"type": "string", "anyOf": [{"format": "date-time"}, {"maxLength": 0}]}
_QUERY = (
    parameter("status", {"enum": list(STATES)}, "Calls in that state."),
    parameter("date_start", _MOMENT, "Begun at that time or later."),
    parameter("date_end", _MOMENT, "Begun at that time or before."),
    parameter("conversation_uuid", {**TEXT, "maxLength": 100}, "Calls in that conversation."),
    parameter("page_size", {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}, "Of a page."),
    parameter(
        "record_index",
        {"type": "integer", "minimum": 0, "maximum": MOST_INDEX, "default": 0},
        "Where the page begins.",
    ),
    parameter("order", {"enum": ["asc", "desc"]}, "asc: the oldest first."),
)
_STREAM = _object({"stream_url": URLS, **_optional({"loop": LOOP, "level": LEVEL})}, "stream_url")
_TALK = _object(
    {
        "text": {**TEXT, "minLength": 1, "maxLength": bodies.MOST_TEXT},
        **_optional(
            {
                "language": {**TEXT, "maxLength": 40},
                "style": {"type": "integer", "minimum": 0, "maximum": 100},
                "loop": LOOP,
                "level": LEVEL,
            }
        ),
    },
    "text",
)
_TO = {"type": {"const": "ncco"}}
_DESTINATION: Json = {"anyOf": [_object({**_TO, "ncco": NCCO}, "ncco"), _object({**_TO, "url": URLS}, "url")]}
_CHANGE: Json = {
    "anyOf": [
        _object({"action": {"enum": [each for each in ACTIONS if each != "transfer"]}}, "action"),
        _object({"action": {"const": "transfer"}, "destination": _DESTINATION}, "action", "destination"),
    ]
}
_LISTEN = _object(_optional({"event_url": URLS, "event_method": METHOD}))


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
            body=_object({"digits": {**TEXT, "pattern": f"^{DIGITS}$"}}, "digits"),
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
