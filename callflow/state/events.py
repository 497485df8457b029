"""Layer 1: JSON messages for web servers, as rows of the outbox: durable, retried, listed like files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.state.records import DeliveryRow

KIND = "event"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Message:
    """A JSON message for a web server. ``body``: sent as JSON by ``POST``, as the query by ``GET``.
    ``secret``, if there is one: each attempt is signed with it (``delivery/signing.py``), in the name of
    ``api_key`` and ``application_id``.
    """

    url: str
    method: str = "POST"
    body: Mapping[str, Any] = field(default_factory=dict)
    application_id: str = ""
    api_key: str = ""
    secret: str = field(default="", repr=False)


def message_row(
    message: Message, *, id: str, call_id: str, wall: float, recording_id: str = ""
) -> DeliveryRow:
    """``message`` as a row to be enqueued. ``recording_id``: the recording that it tells of, if it does."""
    inside = {
        "body": dict(message.body),
        "call_id": call_id,
        "application_id": message.application_id,
        "api_key": message.api_key,
        "secret": message.secret,
    }
    return DeliveryRow(
        id=id,
        recording_id=recording_id,
        kind=KIND,
        url=message.url,
        method=message.method.lower(),
        file="",
        content_type=_JSON,
        sha256="",
        bytes=len(body_bytes(message.body)),
        created_wall=wall,
        message=json.dumps(inside, ensure_ascii=False),
    )


def read_message(row: DeliveryRow) -> tuple[Message, str]:
    """The message in a row, and the call that it is about. A damaged row gives an empty body."""
    try:
        inside = json.loads(row.message)
    except ValueError:
        inside = {}
    inside = inside if isinstance(inside, dict) else {}
    body = inside.get("body")
    message = Message(
        row.url,
        row.method.upper(),
        body if isinstance(body, dict) else {},
        str(inside.get("application_id", "")),
        str(inside.get("api_key", "")),
        str(inside.get("secret", "")),
    )
    return message, str(inside.get("call_id", ""))


def body_bytes(body: Mapping[str, Any]) -> bytes:
    """The JSON that is sent: the same bytes at every attempt."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
