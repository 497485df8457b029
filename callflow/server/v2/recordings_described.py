"""Layer 6: how ``recordings`` and ``users/.../recordings`` are described (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.recording.messages import SEALED_TYPE
from callflow.recording.peaks import MOST_BUCKETS
from callflow.server.openapi import operation, parameter, some_of
from callflow.state.filters import FILTERS, STATES
from callflow.state.library import MOST_PAGE, PAGE

BUCKETS = 800
"""Pieces of a drawing, if nobody says how many."""

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_DELIVERY = {"$ref": "#/components/schemas/DeliveryInShort"}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "DeliveryInShort": {
        "type": "object",
        "required": ["id", "kind", "state", "attempts"],
        "properties": {
            "id": _TEXT,
            "kind": _TEXT,
            "state": _TEXT,
            "method": _TEXT,
            "url": {"type": "string", "description": "Without secrets."},
            "attempts": _COUNT,
            "last_status": {"type": ["integer", "null"]},
            "last_error": _TEXT,
            "created": _MOMENT,
            "next": _MOMENT,
            "finished": _MOMENT,
        },
    },
    "Recording": {
        "type": "object",
        "description": "Kazoo's fields of a call recording, and what became of it.",
        "required": ["id", "call_id", "account_id", "state", "channels", "digests", "attempts", "recovered"],
        "properties": {
            "id": _TEXT,
            "call_id": _TEXT,
            "account_id": _TEXT,
            "name": _TEXT,
            "content_type": _TEXT,
            "from": _TEXT,
            "to": _TEXT,
            "caller_id_number": _TEXT,
            "caller_id_name": _TEXT,
            "owner_id": _TEXT,
            "callflow_id": _TEXT,
            "origin": _TEXT,
            "start": {"type": "integer", "description": "Seconds since year 0."},
            "duration": {**_COUNT, "description": "Whole seconds."},
            "duration_ms": _COUNT,
            "state": {"enum": list(STATES)},
            "reason": {"type": "string", "description": "Why it ended."},
            "message": _TEXT,
            "label": _TEXT,
            "recovered": {"type": "boolean", "description": "Its process died; what was on disk was kept."},
            "channels": _COUNT,
            "sample_rate": _COUNT,
            "samples": {**_COUNT, "description": "Of each channel."},
            "bytes": _COUNT,
            "digests": {"type": "object", "additionalProperties": {"type": "string"}},
            "stored": {"type": "string", "description": "Where it goes: `local`, `http`, `couchdb` ..."},
            "url": {"type": ["string", "null"], "description": "Without secrets."},
            "started": _MOMENT,
            "finished": _MOMENT,
            "media": {
                "type": "object",
                "properties": {
                    "available": {"type": "boolean", "description": "Its file is here."},
                    "content_type": {"type": ["string", "null"]},
                    "sealed": {"type": "boolean", "description": "To the account's key (age)."},
                },
            },
            "held": {"type": ["object", "null"], "description": "It must not be erased: why, by whom."},
            "attempts": {**_COUNT, "description": "At all of its deliveries."},
            "deliveries": {"type": "array", "items": _DELIVERY},
            "events": {"type": "array", "items": _DELIVERY},
        },
    },
    "Peaks": {
        "type": "object",
        "required": ["id", "channels", "buckets", "seconds", "bits", "peaks"],
        "properties": {
            "id": _TEXT,
            "channels": {"type": "integer", "minimum": 1},
            "buckets": {"type": "integer", "minimum": 1},
            "seconds": {"type": "number", "minimum": 0},
            "bits": {"const": 8},
            "peaks": {
                "type": "array",
                "description": "For each channel: lowest and highest of each piece, one after the other.",
                "items": {
                    "type": "array",
                    "items": {"type": "integer", "minimum": -128, "maximum": 127},
                },
            },
        },
    },
}

_RECORDING = {"$ref": "#/components/schemas/Recording"}
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_FLAG = {"type": "string", "enum": ["true", "false"]}

PAGING = (
    parameter("start_key", _TEXT, "`next_start_key` of the page before."),
    parameter("ascending", _FLAG, "The earliest first."),
    parameter("paginate", _FLAG, f"`false`: at most {MOST_PAGE} at once."),
)
_SECONDS = {"pattern": r"^([0-9]{1,9}(\.[0-9]{1,6})?)?$", "description": "seconds, such as 90 or 2.5"}
INSTANT: Mapping[str, Any] = {
    "anyOf": [
        {"format": "date-time"},
        {"format": "date"},
        {"pattern": "^6[3-9][0-9]{9}$", "description": "seconds since year 0"},
        {"maxLength": 0},
    ]
}
_FORMS = {
    "created_from": INSTANT,
    "created_to": INSTANT,
    "state": some_of(STATES),
    "min_seconds": _SECONDS,
    "max_seconds": _SECONDS,
}
LIST_QUERY = (
    *(
        parameter(
            name,
            {"type": "string", "maxLength": 200, **_FORMS.get(name, {}), "examples": [each.example]},
            f"{each.means}.",
        )
        for name, each in FILTERS.items()
    ),
    parameter(
        "page_size", {"type": "integer", "minimum": 1, "maximum": MOST_PAGE, "default": PAGE}, "So many."
    ),
    *PAGING,
)
_AUDIO = {
    "audio/mpeg": {"schema": _BINARY},
    "audio/wav": {"schema": _BINARY},
    "audio/ogg": {"schema": _BINARY},
    SEALED_TYPE: {"schema": _BINARY},
}


def _one() -> dict[str, Any]:
    said = operation(
        "recording",
        "One recording: its document, or its file.",
        scope="recordings:read",
        description="`Accept: audio/mpeg` or `?accept=audio/mpeg` gives the file (`?auth_token=` is then "
        "taken, for players); `Range` gives parts of it.",
        data=_RECORDING,
        refusals=(406,),
        query=(
            parameter(
                "accept",
                {**_TEXT, "examples": ["audio/wav", "application/json"]},
                "In place of the header `Accept`.",
            ),
            parameter("inline", _FLAG, "To be played where it is, not saved."),
        ),
        responses={
            "206": {"description": "A part of the file.", "content": _AUDIO},
            "304": {"description": "`If-None-Match` names the file."},
            "416": {"$ref": "#/components/responses/BadRequest"},
        },
    )
    said["responses"]["200"]["content"] |= _AUDIO
    return said


PATHS: Mapping[str, Mapping[str, Any]] = {
    "/v2/accounts/{account_id}/recordings": {
        "get": operation(
            "recordings",
            "Recordings, the latest first.",
            scope="recordings:read",
            data={"type": "array", "items": _RECORDING},
            query=LIST_QUERY,
        )
    },
    "/v2/accounts/{account_id}/recordings/{recording_id}": {
        "get": _one(),
        "delete": operation(
            "delete_recording",
            "Delete a recording: its file, its facts, the history of its deliveries.",
            scope="recordings:write",
            data={"type": "object"},
            refusals=(409,),
            query=(parameter("force", _FLAG, "Also if it is not delivered yet."),),
        ),
    },
    "/v2/accounts/{account_id}/recordings/{recording_id}/peaks": {
        "get": operation(
            "recording_peaks",
            "The outline of its sound, for drawing.",
            scope="recordings:read",
            data={"$ref": "#/components/schemas/Peaks"},
            refusals=(409,),
            query=(
                parameter(
                    "buckets",
                    {"type": "integer", "minimum": 1, "maximum": MOST_BUCKETS, "default": BUCKETS},
                    "In how many pieces.",
                ),
            ),
            responses={"304": {"description": "`If-None-Match` names it."}},
        )
    },
}
