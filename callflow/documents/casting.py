"""Layer 1: strings that hold numbers or booleans are cast to what the schema asks for, as Kazoo does.

Kazoo's API casts ``"600"`` and ``"true"`` when a document is saved, and user interfaces depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class CastNote:
    """``path``: keys and indexes that lead to the value; ``was``: the text; ``now``: what it is read as."""

    path: tuple[str | int, ...]
    was: object
    now: object


def cast(value: Any, schema: Mapping[str, Any]) -> tuple[Any, tuple[CastNote, ...]]:
    """``value`` as ``schema`` would have it, and what was cast. ``value`` itself is not changed.

    Follows ``properties`` and ``items`` only, so its depth is the schema's.
    """
    notes: list[CastNote] = []
    return _cast(value, schema, (), notes.append), tuple(notes)


def _cast(
    value: Any, schema: Mapping[str, Any], path: tuple[str | int, ...], note: Callable[[CastNote], None]
) -> Any:
    if isinstance(value, dict):
        properties: Mapping[str, Any] = schema.get("properties", {})
        fresh = value
        for key, part in properties.items():
            if key in value:
                now = _cast(value[key], part, (*path, key), note)
                if now is not value[key]:
                    fresh = dict(value) if fresh is value else fresh
                    fresh[key] = now
        return fresh
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return value
        row = [_cast(item, items, (*path, index), note) for index, item in enumerate(value)]
        return row if any(a is not b for a, b in zip(row, value, strict=True)) else value
    now = _scalar(value, _types(schema))
    if now is not value and isinstance(value, str):  # 600.0 is nothing to talk about
        note(CastNote(path, value, now))
    return now


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = schema.get("type", ())
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)


def _scalar(value: Any, types: tuple[str, ...]) -> Any:
    if not isinstance(value, str):
        # 600.0 is the integer 600, as JSON Schema has it; code below wants an int.
        if type(value) is float and "integer" in types and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value
    if "string" in types:
        return value
    text = value.strip()
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text)
    if "boolean" in types:
        return _BOOLEANS.get(text.lower(), value)
    return value
