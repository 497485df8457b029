"""Layer 1: NCCO documents (ncco.md): what is one, and how its loose forms are read.

Vonage's own documentation and SDKs write numbers and booleans as texts, one url as a bare string, keys under
former names. ``loosen`` reads them all the same, and says so; ``check`` and the runner share it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from callflow.documents import schemas
from callflow.documents.casting import cast
from callflow.documents.moduledata import Prepared, clamp, settle
from callflow.documents.notes import Note
from callflow.documents.problems import token

PREFIX = "ncco/"
"""Of the schemas' names."""

NO_CODE = frozenset({"pay"})
"""Actions that are known, and answered by an error event."""

_NUMBER = re.compile(r"\+?[0-9]{7,15}")
_HTTP = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Remark:
    """A loose form. ``pointer``: where it is in the action, as written (``/eventUrl``)."""

    code: str
    pointer: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Loosened:
    """``data``: the action's keys in their proper form, but not judged yet."""

    data: dict[str, Any]
    remarks: tuple[Remark, ...] = ()


def recognise(document: object) -> bool:
    """Whether a JSON value is an NCCO: a list of objects, at least one of them with an ``action``."""
    return isinstance(document, list) and any(
        isinstance(each, dict) and "action" in each for each in document
    )


@cache
def action_names() -> tuple[str, ...]:
    """All actions of the dialect, with or without code here."""
    return tuple(name.removeprefix(PREFIX) for name in schemas.names() if name.startswith(PREFIX))


def action_schema(name: str) -> schemas.Schema:
    """The schema of an action's keys. Raises MissingDocument."""
    return schemas.load(PREFIX + name)


def loosen(name: str, data: Mapping[str, Any]) -> Loosened:
    """``data`` of the action ``name`` in its proper form. An unknown action: as it is."""
    if name not in action_names():
        return Loosened(dict(data))
    schema = action_schema(name)
    remarks: list[Remark] = []
    read = _object(dict(data), schema, "", remarks)
    read, casts = cast(read, schema)
    for item in casts:
        where = "".join(f"/{token(part)}" for part in item.path)
        said = f'{item.path[-1]} is the text "{item.was}"; it is read as {_word(item.now)}'
        remarks.append(Remark("CF-CHK-132", where, said, f"write {_word(item.now)} without quotes"))
    _clamp(read, schema, remarks)
    if name == "input":
        _input_type(read, remarks)
    return Loosened(read, tuple(remarks))


def prepare_action(name: str, data: Mapping[str, Any]) -> Prepared:
    """The run-time reading of an action: loose forms read, bad values replaced by defaults, with a note each;
    never raises.
    """
    loose = loosen(name, data)
    notes = [Note("warning", each.code, each.message, each.hint) for each in loose.remarks]
    if name not in action_names():
        return Prepared(loose.data, tuple(notes))
    settled = settle(loose.data, action_schema(name), "", notes)
    return Prepared(settled, tuple(notes))


# ---- loose forms ----------------------------------------------------------------------------


def _object(
    value: dict[str, Any], schema: Mapping[str, Any], pointer: str, remarks: list[Remark]
) -> dict[str, Any]:
    """One object, as deep as the schema is."""
    for alias, key in schema.get("x-aliases", {}).items():
        if alias in value and key not in value and alias not in schema["properties"]:
            value[key] = value.pop(alias)
            where = f"{pointer}/{token(alias)}"
            remarks.append(Remark("CF-CHK-130", where, f"{alias} is read as {key}", f"write {key}"))
    for key, part in schema.get("properties", {}).items():
        if key in value:
            value[key] = _value(value[key], part, f"{pointer}/{token(key)}", key, remarks)
    return value


def _value(value: Any, part: Mapping[str, Any], pointer: str, key: str, remarks: list[Remark]) -> Any:
    items = part.get("items")
    if part.get("x-one") and not isinstance(value, list) and isinstance(items, dict):
        if not isinstance(value, dict if "properties" in items else str):
            return value
        if part["x-one"] == "list":
            said = f"{key} is not a list; it is read as a list of one"
            remarks.append(Remark("CF-CHK-131", pointer, said, "put it into [ ]"))
        value = [value]
    if isinstance(value, list) and isinstance(items, dict):
        value = [_value(each, items, f"{pointer}/{index}", key, remarks) for index, each in enumerate(value)]
        if part.get("x-one") and len(value) > 1 and key != "type":
            said = f"{key} has {len(value)} entries: the first one is used"
            remarks.append(Remark("CF-CHK-133", pointer, said, "keep one"))
            value = value[:1]
        return value
    if isinstance(value, dict) and "properties" in part:
        return _object(dict(value), part, pointer, remarks)
    return _text(value, part, pointer, key, remarks) if isinstance(value, str) else value


def _text(value: str, part: Mapping[str, Any], pointer: str, key: str, remarks: list[Remark]) -> str:
    if "x-url" in part and not _HTTP.match(value):
        said = f"{key} is no absolute url" if value else f"{key} is empty"
        remarks.append(Remark("CF-CHK-134", pointer, said, "write http://host/path or https://host/path"))
    if "enum" in part and value not in part["enum"]:
        meant = next((each for each in part["enum"] if each == value.upper() or each == value.lower()), "")
        if meant:
            remarks.append(Remark("CF-CHK-135", pointer, f"{key} is read as {meant}", f"write {meant}"))
            return str(meant)
        if value.upper() in part.get("x-loose-values", ()):
            said = f"{key} {value} is read as {part['default']}"
            remarks.append(Remark("CF-CHK-135", pointer, said, f"write {' or '.join(part['enum'])}"))
            return str(part["default"])
    if key == "number" and not _NUMBER.fullmatch(value):
        said = "number is not 7 to 15 digits (E.164)"
        remarks.append(Remark("CF-CHK-136", pointer, said, "write it as 447700900000"))
    return value


def _clamp(value: dict[str, Any], schema: Mapping[str, Any], remarks: list[Remark]) -> None:
    """Numbers that Vonage brings into their range instead of refusing them."""
    for key, part in schema["properties"].items():
        inside = clamp(value[key], part) if part.get("x-clamp") and key in value else None
        if inside is not None:
            said = f"{key} {value[key]} is read as {inside}"
            remarks.append(Remark("CF-CHK-137", f"/{key}", said, "write one within the limits"))
            value[key] = inside


OLD_DTMF = ("timeOut", "maxDigits", "submitOnHash")


def _input_type(value: dict[str, Any], remarks: list[Remark]) -> None:
    """Scripts from before 2020 have no ``type``, and the keys of ``dtmf`` at the top."""
    if "type" in value:
        return
    kinds = [kind for kind in ("dtmf", "speech") if kind in value]
    value["type"] = kinds or ["dtmf"]
    said = f"input has no type: it is read as {' and '.join(value['type'])}"
    remarks.append(Remark("CF-CHK-138", "", said, f'write "type": {json.dumps(value["type"])}'))


def dtmf_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The digits' settings of an ``input`` (prepared): those of ``dtmf`` over the old ones at the top."""
    part = action_schema("input")["properties"]["dtmf"]
    given = data.get("dtmf")
    old = {key: data[key] for key in OLD_DTMF if key in data}
    return {**schemas.defaults_of(part), **old, **(given if isinstance(given, Mapping) else {})}


def speech_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The speech settings of an ``input`` (prepared)."""
    part = action_schema("input")["properties"]["speech"]
    given = data.get("speech")
    return {**schemas.defaults_of(part), **(given if isinstance(given, Mapping) else {})}


def _word(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
