"""Layer 1: whose number and name a called party sees: device over user over account (as in Kazoo)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents.accounts import Account

MAX_NUMBER = 64
MAX_NAME = 128

_NOT_IN_NUMBERS = frozenset("\"'<>@;,\\/?%{}|^`")


def clean_number(text: object) -> str:
    """A number (or user name) fit for logs, headers and file facts: printable, no spaces, no separators of
    headers or paths, at most ``MAX_NUMBER`` characters. "" for what is no string.
    """
    if not isinstance(text, str):
        return ""
    kept = (c for c in text if c.isprintable() and not c.isspace() and c not in _NOT_IN_NUMBERS)
    return "".join(kept)[:MAX_NUMBER]


def clean_name(text: object) -> str:
    """A name for people, on one line, at most ``MAX_NAME`` characters. "" for what is no string."""
    if not isinstance(text, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in text[: 4 * MAX_NAME]).strip()[:MAX_NAME]


def caller_id(account: Account, device_id: str, user_id: str, kind: str) -> tuple[str, str]:
    """Number and name, each maybe "", that the documents say for calls of ``kind``: ``internal``,
    ``external``, ``emergency`` ... (a key of ``caller_id``).
    """
    device: Mapping[str, Any] = account.get("device", device_id) or {}
    user: Mapping[str, Any] = account.get("user", user_id or str(device.get("owner_id") or "")) or {}
    number = name = ""
    for document in (device, user, account.document):
        ids = document.get("caller_id")
        said = ids.get(kind) if isinstance(ids, Mapping) else None
        if isinstance(said, Mapping):
            number = number or clean_number(said.get("number"))
            name = name or clean_name(said.get("name"))
    return number, name
