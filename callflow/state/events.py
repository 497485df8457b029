"""Layer 1: JSON messages for web servers, as rows of the outbox: durable, retried, listed like files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from callflow.state.records import DeliveryRow

KIND = "event"
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Message:
    """A JSON message for a web server. ``body``: sent as JSON by ``POST`` or ``PUT`` (as a web form, if
    ``form``), as the query by ``GET``. ``secret``, if there is one: each attempt is signed with it
    (``delivery/signing.py``), in the name of ``api_key`` and ``application_id``. ``secrets``: where those
    stand with which it is signed as Standard Webhooks says. ``retries``: attempts after the first; None: as
    long as the outbox tries.
    """

    url: str
    method: str = "POST"
    body: Mapping[str, Any] = field(default_factory=dict)
    application_id: str = ""
    api_key: str = ""
    secret: str = field(default="", repr=False)
    form: bool = False
    secrets: tuple[str, ...] = ()
    retries: int | None = None


def message_of(plain: Mapping[str, Any]) -> Message:
    """As it was written with ``dataclasses.asdict``, as JSON. Raises TypeError for what is none."""
    return Message(**{**plain, "secrets": tuple(plain.get("secrets") or ())})


def message_row(
    message: Message,
    *,
    id: str,
    call_id: str,
    wall: float,
    recording_id: str = "",
    account_id: str = "",
    hook: str = "",
) -> DeliveryRow:
    """``message`` as a row to be enqueued. ``recording_id``: the recording that it tells of, if it does;
    ``hook``: the webhook of the account that wants it.
    """
    inside = {
        "body": dict(message.body),
        "call_id": call_id,
        "application_id": message.application_id,
        "api_key": message.api_key,
        "secret": message.secret,
        "secrets": list(message.secrets),
        "retries": message.retries,
    }
    return DeliveryRow(
        id=id,
        recording_id=recording_id,
        kind=KIND,
        url=message.url,
        method=message.method.lower(),
        file="",
        content_type=_FORM if message.form else _JSON,
        sha256="",
        bytes=len(sent_bytes(message)),
        created_wall=wall,
        account_id=account_id,
        hook=hook,
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
        row.content_type == _FORM,
        tuple(str(secret) for secret in inside.get("secrets") or ()),
        inside.get("retries"),
    )
    return message, str(inside.get("call_id", ""))


def sent_bytes(message: Message) -> bytes:
    """The body of ``POST`` and ``PUT``."""
    return urlencode(as_texts(message.body)).encode() if message.form else body_bytes(message.body)


def as_texts(body: Mapping[str, Any]) -> dict[str, str]:
    """For a query or a form: what is no text is written as JSON, null is left out."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for key, value in body.items()
        if value is not None
    }


def body_bytes(body: Mapping[str, Any]) -> bytes:
    """The JSON that is sent: the same bytes at every attempt."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
