"""Layer 1: the run-time reading of a node's ``data``: whatever is written there, the call goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callflow.documents import schemas
from callflow.documents.casting import cast
from callflow.documents.judging import fault, is_type
from callflow.documents.notes import Note
from callflow.log import mask_text

__all__ = ["Note", "Prepared", "prepare", "prepare_document", "settle"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """``data``: cast, judged, with the schema's defaults; ``notes``: what was changed and why."""

    data: dict[str, Any]
    notes: tuple[Note, ...] = ()


def prepare(module: str, data: Mapping[str, Any]) -> Prepared:
    """Read ``data`` as ``schemas/modules/<module>.json`` says; never raises.

    Texts are cast; a number out of range is clamped, any other bad value gives way to the default, with a
    warning note each. Unknown keys stay. Not touched: keys judged by ``record_settings`` (their defaults are
    filled in there) and a bad ``action`` of voicemail, which it must refuse (it comes with an error note).
    A module without a schema: ``data`` as it is.
    """
    if module not in schemas.module_names():
        return Prepared(dict(data))
    return _prepare(schemas.module_schema(module), data)


def prepare_document(kind: str, document: Mapping[str, Any]) -> Prepared:
    """The same for an account document (``user``, ``vmbox`` ...): what Kazoo's API does when it saves one."""
    return _prepare(schemas.load(kind), document)


def _prepare(schema: Mapping[str, Any], data: Mapping[str, Any]) -> Prepared:
    notes: list[Note] = []
    read, casts = cast(dict(data), schema)
    for item in casts:
        key = ".".join(str(part) for part in item.path)
        notes.append(Note("note", "CF-CHK-075", f'{key}: "{item.was}" is read as {_show(item.now)}', key=key))
    return Prepared(settle(read, schema, "", notes), tuple(notes))


def settle(
    data: Mapping[str, Any], schema: Mapping[str, Any], prefix: str, notes: list[Note]
) -> dict[str, Any]:
    """Judge each key by its schema and fill in what is missing; as deep as the schema is."""
    settled = dict(data)
    for key, part in schema.get("properties", {}).items():
        if "x-judged-by" in part:
            continue
        name = f"{prefix}{key}"
        if key in settled and "properties" in part and isinstance(settled[key], dict):
            settled[key] = settle(settled[key], part, f"{name}.", notes)
        elif key in settled:
            _judge(settled, key, part, name, notes)
        elif "default" in part:
            settled[key] = (
                {**part["default"], **schemas.defaults_of(part)} if "properties" in part else _own(part)
            )
    return settled


def _judge(data: dict[str, Any], key: str, part: Mapping[str, Any], name: str, notes: list[Note]) -> None:
    value = data[key]
    why = fault(value, part)
    if not why:
        return
    shown = "***" if part.get("writeOnly") else _show(value)
    if part.get("x-bad-value") == "keep":
        notes.append(Note("error", "CF-CHK-071", f"{name} {shown} {why}", part["description"], key))
        return
    instead = clamp(value, part)
    if instead is not None:
        data[key] = instead
        said = f"{instead} is used"
    elif "default" in part:
        data[key] = _own(part)
        said = f"the default {_show(data[key])} is used"
    else:
        del data[key]
        said = "it is ignored"
    notes.append(Note("warning", "CF-CHK-072", f"{name} {shown} {why}: {said}", part["description"], key))


def clamp(value: Any, part: Mapping[str, Any]) -> int | float | None:
    """The nearest allowed number if ``value`` is a number out of range, else None."""
    if not is_type(value, "number") or "enum" in part:
        return None
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and value < low:
        return int(low) if isinstance(low, int) else float(low)
    if high is not None and value > high:
        return int(high) if isinstance(high, int) else float(high)
    return None


def _own(part: Mapping[str, Any]) -> Any:
    """The default, a copy where it could be changed by its owner."""
    default = part["default"]
    if isinstance(default, dict):
        return dict(default)
    return list(default) if isinstance(default, list) else default


def _show(value: object) -> str:
    """A value as JSON would write it, short."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict | list):
        return "{...}" if isinstance(value, dict) else "[...]"
    text = f'"{mask_text(value)}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
