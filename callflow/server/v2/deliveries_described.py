"""Layer 6: how ``deliveries`` is described (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.delivery.outbox import DeliveryState
from callflow.server.openapi import operation, parameter, some_of
from callflow.server.v2.recordings_described import INSTANT
from callflow.state.delivery_list import MOST_PAGE, PAGE
from callflow.state.filters import FILTERS

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_FIELDS: Mapping[str, Any] = {
    "id": _TEXT,
    "recording_id": {"type": ["string", "null"]},
    "kind": {"type": "string", "description": "`http`, `couchdb`, `storage` ..., `event` for a message."},
    "state": {"enum": [str(state) for state in DeliveryState]},
    "method": _TEXT,
    "url": {"type": "string", "description": "Without secrets."},
    "host": _TEXT,
    "content_type": _TEXT,
    "bytes": _COUNT,
    "digests": {"type": "object", "additionalProperties": _TEXT},
    "file_kept": {"type": "boolean", "description": "Its file is here: it can be sent again."},
    "attempts": _COUNT,
    "last_status": {"type": ["integer", "null"]},
    "last_error": _TEXT,
    "created": _MOMENT,
    "next": _MOMENT,
    "finished": _MOMENT,
}
_ATTEMPT = {
    "type": "object",
    "properties": {
        "number": _COUNT,
        "started": _MOMENT,
        "seconds": {"type": "number"},
        "outcome": _TEXT,
        "status": {"type": ["integer", "null"]},
        "address": _TEXT,
        "error": _TEXT,
        "answer": {"type": "string", "description": "The beginning of what was answered."},
    },
}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Delivery": {"type": "object", "required": list(_FIELDS), "properties": _FIELDS},
    "DeliveryWithHistory": {
        "type": "object",
        "required": [*_FIELDS, "history"],
        "properties": {
            **_FIELDS,
            "body": {"type": ["object", "null"], "description": "The message, if it is one."},
            "history": {"type": "array", "items": _ATTEMPT},
        },
    },
}

_DELIVERY = {"$ref": "#/components/schemas/Delivery"}
_FILTERS: Mapping[str, Mapping[str, Any]] = {
    "state": some_of(map(str, DeliveryState)),
    "host": {"type": "string", "description": "`host`, or `host:port`."},
    "kind": {"type": "string", "description": "A kind."},
    "recording_id": {"type": "string", "description": "Of this recording."},
    "created_from": {
        "type": "string",
        **INSTANT,
        "description": FILTERS["created_from"].means.replace("Began", "Made"),
    },
    "created_to": {
        "type": "string",
        **INSTANT,
        "description": FILTERS["created_to"].means.replace("Began", "Made"),
    },
}


def _changed(operation_id: str, summary: str) -> dict[str, Any]:
    return operation(operation_id, summary, scope="deliveries:write", data=_DELIVERY, refusals=(409,))


PATHS: Mapping[str, Mapping[str, Any]] = {
    "/v2/accounts/{account_id}/deliveries": {
        "get": operation(
            "deliveries",
            "Deliveries, the latest first.",
            scope="deliveries:read",
            data={"type": "array", "items": _DELIVERY},
            query=(
                *(parameter(name, said, said["description"]) for name, said in _FILTERS.items()),
                parameter(
                    "page_size",
                    {"type": "integer", "minimum": 1, "maximum": MOST_PAGE, "default": PAGE},
                    "So many.",
                ),
                parameter("start_key", {"type": "string"}, "`next_start_key` of the page before."),
            ),
        )
    },
    "/v2/accounts/{account_id}/deliveries/retry": {
        "post": operation(
            "retry_deliveries",
            "Send again all that is dead, blocked or waiting and fits.",
            scope="deliveries:write",
            body={"type": "object", "properties": dict(_FILTERS), "additionalProperties": False},
            data={
                "type": "object",
                "required": ["count", "ids"],
                "properties": {"count": _COUNT, "ids": {"type": "array", "items": _TEXT}},
            },
        )
    },
    "/v2/accounts/{account_id}/deliveries/{delivery_id}": {
        "get": operation(
            "delivery",
            "One delivery, with all its attempts.",
            scope="deliveries:read",
            data={"$ref": "#/components/schemas/DeliveryWithHistory"},
        )
    },
    "/v2/accounts/{account_id}/deliveries/{delivery_id}/retry": {
        "post": _changed("retry_delivery", "Send it again, now and with a new schedule.")
    },
    "/v2/accounts/{account_id}/deliveries/{delivery_id}/cancel": {
        "post": _changed("cancel_delivery", "Don't send it any more; the file is kept.")
    },
}
