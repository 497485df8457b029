"""Layer 1: checks one object (a node's data, an account document, settings) against its schema."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from callflow.documents import placeholders, schemas
from callflow.documents.accounts import FOLDERS
from callflow.documents.casting import CastNote, cast
from callflow.documents.check_across import FlowMap
from callflow.documents.judging import fault
from callflow.documents.patterns import compile_pattern
from callflow.documents.problems import Mend, Sheet, did_you_mean, surely_meant, token
from callflow.documents.settings import Settings
from callflow.errors import BadUrl
from callflow.log import mask_text


class UrlVerdict(NamedTuple):
    """Why a url is doubtful: ``code`` ``CF-CHK-090`` (refused) or ``CF-CHK-091`` (blocked address)."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a document is judged in. ``ids``: the account's document ids by kind; None: no account is known.

    ``judge_url`` and ``is_prompt`` come from layers above: what delivery refuses, what media ships.
    ``documents``: the account's, by kind and id, as far as they can be read; ``flows``: the ways between its
    callflows; ``storage``: its storage plan.
    """

    settings: Settings
    ids: Mapping[str, frozenset[str]] | None = None
    judge_url: Callable[[str], UrlVerdict | None] = field(default=lambda url: None)
    is_prompt: Callable[[str], bool] = field(default=lambda name: False)
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    flows: FlowMap | None = None
    storage: Mapping[str, Any] = field(default_factory=dict)

    def document(self, kind: str, id: object) -> Mapping[str, Any] | None:
        """The account's document, if it is known."""
        return self.documents.get(kind, {}).get(id) if isinstance(id, str) else None


_MEMBERS = ("device", "user", "group")
"""What a ring group's endpoint can be; the first where it does not say."""

_SWITCHED = {
    "device": "it is not rung",
    "user": "no device of theirs is rung",
    "temporal_rule": "its branch is not taken",
    "resource": "no call goes out by it",
}
"""Kinds of documents that ``enabled: false`` switches off, and what that means."""

_CODE_OF = {
    "type": "CF-CHK-070",
    "enum": "CF-CHK-071",
    "minimum": "CF-CHK-072",
    "maximum": "CF-CHK-072",
    "exclusiveMinimum": "CF-CHK-072",
    "required": "CF-CHK-073",
}
_PLACE_IN_URL = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_SYSTEM_KEY = re.compile(r"_|pvt_|\$schema$")


def check_object(
    sheet: Sheet,
    value: dict[str, Any],
    name: str,
    pointer: str,
    around: Surroundings,
    *,
    all_keys: bool = True,
) -> dict[str, Any]:
    """Hold ``value`` against the schema ``name`` and report; gives it back with its texts cast.

    ``all_keys``: every unknown key is reported, not only those that look like a slip (account documents of
    Kazoo have many keys that mean nothing here).
    """
    schema = schemas.load(name)
    read, casts = cast(value, schema)
    for item in casts:
        _report_cast(sheet, item, pointer)
    if not schemas.is_simple(name) or fault(read, schema):
        _report_faults(sheet, read, name, pointer)
    _walk(sheet, read, schema, pointer, around, all_keys)
    _expected(sheet, read, schema, pointer)
    assert isinstance(read, dict)
    return read


def _report_cast(sheet: Sheet, item: CastNote, pointer: str) -> None:
    where = pointer + "".join(f"/{token(part)}" for part in item.path)
    now = (
        {True: "true", False: "false"}.get(item.now, item.now)
        if item.now is True or item.now is False
        else item.now
    )
    sheet.add(
        "CF-CHK-075",
        where,
        f"{item.path[-1]} is a text; it is read as {now}",
        f"write {now} without quotes",
        mend=Mend("value", json.dumps(item.now), f"nothing: {_show(item.was)} was read as {now} already"),
    )


def _report_faults(sheet: Sheet, value: Any, name: str, pointer: str) -> None:
    """All of them, through the full validator: this is the rare path."""
    for error in schemas.validator(name).iter_errors(value):
        keyword = str(error.validator)
        rule: Any = error.validator_value
        part: Any = error.schema
        instance: Any = error.instance
        where = pointer + "".join(f"/{token(step)}" for step in error.absolute_path)
        key = error.absolute_path[-1] if error.absolute_path else name.rpartition("/")[2]
        if keyword == "required":
            for missing in [key for key in rule if key not in instance]:
                hint = _about(part.get("properties", {}).get(missing, {}))
                sheet.add("CF-CHK-073", where, f"the key {missing} is missing", hint)
            continue
        if keyword == "additionalProperties":
            continue  # _walk reports unknown keys
        why = fault(instance, {keyword: rule}) or "breaks a rule of its schema"
        hint = did_you_mean(instance, rule) if keyword == "enum" else ""
        secret = part.get("writeOnly") or isinstance(instance, dict | list)
        shown = "" if secret else f" {_show(instance)}"
        sheet.add(_CODE_OF.get(keyword, "CF-CHK-076"), where, f"{key}{shown} {why}", hint or _about(part))


def _walk(
    sheet: Sheet, value: Any, schema: Mapping[str, Any], pointer: str, around: Surroundings, all_keys: bool
) -> None:
    """What JSON Schema cannot say: unknown keys, ids, urls, expressions. As deep as the schema is."""
    if isinstance(value, dict):
        _members(sheet, value, schema, pointer, around)
        properties: Mapping[str, Any] = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        for key, item in value.items():
            where = f"{pointer}/{token(key)}"
            if key in properties:
                _idle(sheet, key, item, properties[key], where)
                _walk(sheet, item, properties[key], where, around, all_keys)
            elif isinstance(rest, dict):
                _walk(sheet, item, rest, where, around, all_keys)
            elif (
                properties and not isinstance(rest, dict) and rest is not True and not _SYSTEM_KEY.match(key)
            ):
                _unknown(sheet, key, value, schema, where, all_keys)
    elif isinstance(value, list):
        items = schema.get("items")
        for index, item in enumerate(value if isinstance(items, dict) else ()):
            _walk(sheet, item, items or {}, f"{pointer}/{index}", around, all_keys)
    elif isinstance(value, str):
        _text(sheet, value, schema, pointer, around)


def _members(
    sheet: Sheet, value: Mapping[str, Any], schema: Mapping[str, Any], pointer: str, around: Surroundings
) -> None:
    """Ids whose kind is said beside them."""
    if "x-member" in schema and isinstance(value.get("id"), str):
        kind = value.get(schema["x-member"])
        if kind in _MEMBERS:
            _document(sheet, value["id"], str(kind), f"{pointer}/id", around)
    for id, item in value.items() if "x-members" in schema else ():
        kind = item.get(schema["x-members"], _MEMBERS[0]) if isinstance(item, dict) else ""
        if kind in _MEMBERS:
            _document(sheet, id, str(kind), f"{pointer}/{token(id)}", around)


def _idle(sheet: Sheet, key: str, value: Any, schema: Mapping[str, Any], where: str) -> None:
    """A key of Kazoo's that does nothing here, or another thing. What says no more than leaving it out
    (Kazoo's API writes defaults into what it saves) is not told.
    """
    if not value or value == schema.get("default"):
        return
    if hint := schema.get("x-no-effect"):
        said = f"{key} is a setting of Kazoo's that has no effect here"
        sheet.add("CF-CHK-077", where, said, hint, at_key=True)
    if hint := schema.get("x-done-otherwise"):
        sheet.add("CF-CHK-063", where, f"{key} is not followed here as on Kazoo", hint, at_key=True)


def _unknown(
    sheet: Sheet, key: str, value: Mapping[str, Any], schema: Mapping[str, Any], where: str, all_keys: bool
) -> None:
    if key in schema.get("x-not-used-here", ()):
        sheet.add("CF-CHK-077", where, f"{key} is a setting of Kazoo's that has no effect here", at_key=True)
        return
    meant = did_you_mean(key, schema["properties"])
    if schema.get("additionalProperties") is False:  # nothing is used then: not only this key
        sheet.add("CF-CHK-076", where, f"there is no key {key} here: it is refused", meant, at_key=True)
        return
    if all_keys or meant:
        said = f"there is no key {key} here: it is ignored"
        mend = renamed(key, value, schema["properties"])
        sheet.add("CF-CHK-074", where, said, meant, at_key=True, mend=mend)


def renamed(key: str, siblings: Mapping[str, Any], known: Iterable[str]) -> Mend | None:
    """How to mend a misspelt key, if it is clear which one is meant and that one is not there as well."""
    name = surely_meant(key, known)
    if not name or name in siblings:
        return None
    return Mend("key", name, f"{name} counts from now on: as {key} it was ignored")


def _text(sheet: Sheet, value: str, schema: Mapping[str, Any], pointer: str, around: Surroundings) -> None:
    if "x-regex" in schema:
        try:
            compile_pattern(value)
        except re.error as error:
            sheet.add("CF-CHK-095", pointer, f"{_show(value)} is no regular expression: {error.msg}")
    if "x-network" in schema:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            sheet.add("CF-CHK-096", pointer, f"{_show(value)} is no network", 'write e.g. "10.1.0.0/16"')
    url = schema.get("x-url")
    is_url = "://" in value
    if (
        url == "deliver"
        or url == "fetch"
        or (url == "fetch-if-url" and value.startswith(("http://", "https://")))
    ):
        _url(sheet, value, pointer, around)
    if "x-document" in schema and not (url and is_url) and len(value) >= schema.get("minLength", 0):
        _document(sheet, value, str(schema["x-document"]), pointer, around)


def _url(sheet: Sheet, value: str, pointer: str, around: Surroundings) -> None:
    if not value:
        return  # too short: said by the schema
    if placeholders.in_authority(value):
        return  # only the call knows
    try:
        verdict = around.judge_url(_PLACE_IN_URL.sub("x", value))
    except BadUrl as error:
        verdict = UrlVerdict("CF-CHK-090", str(error), error.hint)
    if verdict is not None:
        sheet.add(verdict.code, pointer, verdict.message, verdict.hint)


def _document(sheet: Sheet, value: str, kind: str, pointer: str, around: Surroundings) -> None:
    if not value:
        sheet.add("CF-CHK-101", pointer, f"the {kind} id is empty")
        return
    if around.ids is None or kind not in around.ids or placeholders.names(value):
        return
    if value in around.ids[kind]:
        _enabled(sheet, value, kind, pointer, around)
        return
    if kind == "media" and ("/" in value or around.is_prompt(value)):
        return  # a prompt, a stream, or a file of Kazoo's system media
    hint = did_you_mean(value, around.ids.get(kind, ()))
    folder = FOLDERS.get(kind, f"{kind}s")
    sheet.add(
        "CF-CHK-100",
        pointer,
        f"the account has no {kind} {_show(value)}",
        hint or f"see its folder {folder}/",
    )


def _enabled(sheet: Sheet, id: str, kind: str, pointer: str, around: Surroundings) -> None:
    """A document that is switched off is there, and yet nothing happens with it."""
    document = around.document(kind, id) or {}
    if document.get("enabled") is False and kind in _SWITCHED and not pointer.endswith("/owner_id"):
        said = f"the {kind} {_show(id)} is disabled: {_SWITCHED[kind]}"
        sheet.add("CF-CHK-105", pointer, said, "set its enabled to true, or name another")


def _expected(sheet: Sheet, value: Mapping[str, Any], schema: Mapping[str, Any], pointer: str) -> None:
    for group in schema.get("x-required-one", ()):
        if not any(key in value for key in group):
            sheet.add("CF-CHK-073", pointer, f"{' or '.join(group)} is missing")
    for group in schema.get("x-expected", ()):
        if not any(key in value for key in group):
            sheet.add("CF-CHK-101", pointer, f"{' or '.join(group)} is missing: there is nothing to go to")


def _about(part: Mapping[str, Any]) -> str:
    """The schema's own words as a hint."""
    said = str(part.get("description", "")).split(". ")[0].rstrip(".")
    return said[:1].lower() + said[1:] if said and not said.startswith("`") else said


def _show(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = f'"{mask_text(value)}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:56] + '..."'
