"""Layer 6: how holds and proofs are described (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.server.openapi import operation, parameter
from callflow.state.erasing import MOST_PROOFS, MOST_REASON, Why
from callflow.state.library import PAGE

FORMER = 50
"""So many holds that have ended are shown, the latest."""
LONGEST_KEY = 18
"""Digits."""
MOST_PAGE = MOST_PROOFS - 1
"""One more is looked for: whether there is a next page."""

_KEY = "the `next_start_key` of the page before"
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_DONE = {"reason": _TEXT, "by": {"type": "string", "description": "Who has put it on."}, "at": _MOMENT}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Hold": {
        "type": "object",
        "required": ["held", "former"],
        "properties": {
            "held": {
                "type": ["object", "null"],
                "description": "The hold that keeps it; null: it may be erased.",
                "required": ["reason", "by", "at"],
                "properties": _DONE,
            },
            "former": {
                "type": "array",
                "description": f"Holds that were released, the latest first, {FORMER} at most.",
                "items": {
                    "type": "object",
                    "required": ["reason", "by", "at", "released", "released_by"],
                    "properties": {**_DONE, "released": _MOMENT, "released_by": _TEXT},
                },
            },
        },
    },
    "Proof": {
        "type": "object",
        "description": "That a recording was erased: what, when, why and by whom.",
        "required": ["n", "id", "call_id", "why", "by", "erased", "digests", "bytes", "copies", "files_gone"],
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "Its number; they only grow."},
            "id": {"type": "string", "description": "The recording's."},
            "call_id": _TEXT,
            "account_id": _TEXT,
            "state": _TEXT,
            "seconds": {"type": "number", "minimum": 0},
            "started": _MOMENT,
            "why": {"enum": [str(each) for each in Why]},
            "by": _TEXT,
            "erased": _MOMENT,
            "digests": {"type": "object", "additionalProperties": {"type": "string"}},
            "bytes": _COUNT,
            "copies": {"type": "array", "items": _TEXT, "description": "Where it had been delivered to."},
            "files_gone": {**_MOMENT, "description": "When its files were gone; null: not yet."},
        },
    },
}

_HOLD = {"$ref": "#/components/schemas/Hold"}

PATHS: Mapping[str, Mapping[str, Any]] = {
    "/v2/accounts/{account_id}/recordings/{recording_id}/hold": {
        "get": operation(
            "recording_hold", "Must it not be erased, and why?", scope="recordings:read", data=_HOLD
        ),
        "put": operation(
            "hold_recording",
            "From now on nobody and nothing erases it.",
            scope="recordings:write",
            description="One that is held for another reason is a 409: release it first.",
            data=_HOLD,
            body={
                "type": "object",
                "required": ["reason"],
                "properties": {
                    "reason": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": MOST_REASON,
                        "pattern": r"\S",
                        "examples": ["case 4711"],
                    }
                },
            },
            refusals=(409,),
        ),
        "delete": operation(
            "release_recording",
            "It may be erased again; that it was held stays known.",
            scope="recordings:write",
            description="One that is not held is a 409.",
            data=_HOLD,
            refusals=(409,),
        ),
    },
    "/v2/accounts/{account_id}/proofs": {
        "get": operation(
            "proofs",
            "Proofs that recordings were erased, the latest first.",
            scope="recordings:read",
            data={"type": "array", "items": {"$ref": "#/components/schemas/Proof"}},
            query=(
                parameter("recording_id", _TEXT, "Of this one only."),
                parameter(
                    "page_size",
                    {"type": "integer", "minimum": 1, "maximum": MOST_PAGE, "default": PAGE},
                    "So many.",
                ),
                parameter(
                    "start_key",
                    {"type": "string", "pattern": f"^[0-9]{{0,{LONGEST_KEY}}}$", "description": _KEY},
                    f"{_KEY}.",
                ),
            ),
        )
    },
}
