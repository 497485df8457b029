"""Layer 4: what is shown of documents to people: no secrets, and nothing that a terminal or browser obeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents import schemas
from callflow.log import mask_text

SECRETS = frozenset({"password", "pin", "pins", "record_pin", "secret", "token", "authorization", "cookie"})
"""Keys whose values are never shown, whatever they stand in (in lower case)."""

HIDDEN = "***"
DEEPEST = 20


def printable(text: str) -> str:
    """Without control characters (escape sequences of terminals, what XML cannot hold) but line breaks."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def hide(module: str, key: str, value: Any) -> Any:
    """``value`` of ``key`` in a node's data, as it may be shown: the secrets of its schema, of ``SECRETS``
    and of urls are ``***``.
    """
    schema = schemas.module_schema(module) if module in schemas.module_names() else {}
    part: Mapping[str, Any] = schema.get("properties", {}).get(key, {})
    if part.get("writeOnly"):
        return None if value is None else HIDDEN
    return _hidden(key, value, DEEPEST)


def _hidden(key: str, value: Any, depth: int) -> Any:
    if key.lower() in SECRETS:
        return None if value is None else HIDDEN
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {name: _hidden(name, each, depth - 1) for name, each in value.items()} if depth else "…"
    if isinstance(value, list):
        return [_hidden("", each, depth - 1) for each in value] if depth else "…"
    return value
