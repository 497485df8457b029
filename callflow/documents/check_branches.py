"""Layer 1: branches that no call takes: keys that a module never goes to, with its data and documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callflow.documents import schemas
from callflow.documents.causes import CAUSES
from callflow.documents.check_data import Surroundings
from callflow.documents.nodes import DEFAULT, Rule, rule_of, skipped
from callflow.documents.problems import Mend, Sheet, did_you_mean, surely_meant, token

_HINTS = {
    "always": "write _",
    "bridge": "write _, a cause (USER_BUSY) or a code (sip:486)",
    "causes": "write a cause (USER_BUSY) or a code (sip:486)",
    "never": "",
    "any": "",
}
_CAUSE = re.compile(r"[A-Z][A-Z0-9_]*|sip:[0-9]{3}|_")
_DIALLED = re.compile(r"[0-9A-D*]+|#")
"""What can be entered: digits up to a #, which ends an entry (alone it is one)."""
_NO_DIGITS = frozenset({DEFAULT, "timeout", "max_retries"})
_ROUTE_ACTIONS = ("enable", "disable", "reset", "menu")
_DOCUMENT_SCOPES = ("account", "user", "device")


def check_branches(
    sheet: Sheet,
    module: str,
    data: Mapping[str, Any],
    children: Mapping[str, Any],
    where: str,
    around: Surroundings,
) -> None:
    """Report children (they stand at ``where``) that never run. ``data``: as it is read, texts cast."""
    if "" in children:
        sheet.add("CF-CHK-051", f"{where}/", "a branch key is empty", at_key=True)
    rule = rule_of(module, data)
    if rule is None:
        return
    if rule == "never" and children:
        sheet.add("CF-CHK-050", where, f"{module} ends the walk: its children never run", at_key=True)
        return
    dead = dict(_dead(module, data, children, around)) if not skipped(data) else {}
    for key in children:
        if key and not may_lead(rule, key):
            name = "a node that is skipped" if skipped(data) else module
            mend = _other_key(rule, key, children)
            said = f"{name} never goes to {key}"
            sheet.add("CF-CHK-052", f"{where}/{token(key)}", said, _hint(rule, key), at_key=True, mend=mend)
        elif key in dead:
            message, hint = dead[key]
            sheet.add("CF-CHK-053", f"{where}/{token(key)}", message, hint, at_key=True)
        elif rule in ("bridge", "causes") and key not in CAUSES:
            _unknown_cause(sheet, key, children, f"{where}/{token(key)}")


def _unknown_cause(sheet: Sheet, key: str, children: Mapping[str, Any], where: str) -> None:
    """A switch may name what it likes: only a slip of a known cause is told."""
    meant = surely_meant(key, CAUSES) if len(key) > 2 and ":" not in key else ""
    if meant:
        effect = f"the branch {meant} can be taken from now on: no bridge ends with {key}"
        mend = Mend("key", meant, effect) if meant not in children else None
        sheet.add(
            "CF-CHK-054",
            where,
            f"there is no cause {key} among the known ones",
            f"did you mean {meant}?",
            at_key=True,
            mend=mend,
        )


def may_lead(rule: Rule, key: str) -> bool:
    """Whether a module of that rule ever goes to child ``key``: a word, or ``keys`` and a ``pattern`` of
    further ones (which ``also`` says in words).
    """
    if not isinstance(rule, str):
        return key in rule["keys"] or ("pattern" in rule and bool(re.fullmatch(rule["pattern"], key)))
    if rule == "always":
        return key == DEFAULT
    if rule in ("bridge", "causes"):
        return bool(_CAUSE.fullmatch(key)) and (rule == "bridge" or key != DEFAULT)
    return True


def _other_key(rule: Rule, key: str, children: Mapping[str, Any]) -> Mend | None:
    """How to mend a misspelt branch key, where the module's keys are known by name."""
    keys = rule["keys"] if not isinstance(rule, str) else CAUSES if rule in ("bridge", "causes") else ()
    name = surely_meant(key, keys)
    if not name or name in children:
        return None
    return Mend("key", name, f"the branch {name} can be taken from now on: nothing led to {key}")


def _hint(rule: Rule, key: str) -> str:
    """What could be written instead of child ``key``."""
    if isinstance(rule, str):
        return _HINTS.get(rule, "")
    keys = [str(each) for each in rule["keys"]]
    also = f", or {rule['also']}" if "also" in rule else ""
    return did_you_mean(key, keys) or f"it goes to {', '.join(keys)}{also}"


# ---- keys that only this node's data or document rules out ----------------------------------


def _dead(
    module: str, data: Mapping[str, Any], children: Mapping[str, Any], around: Surroundings
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Key, and what is to be said about it with a hint."""
    keys = [key for key in children if key]
    if module == "menu":
        yield from _menu(data, keys, around)
    elif module == "check_cid":
        yield from _check_cid(data, keys)
    elif module == "temporal_route":
        yield from _temporal_route(data, keys, around)
    elif module == "branch_variable":
        yield from _branch_variable(data, keys)


def _menu(
    data: Mapping[str, Any], keys: list[str], around: Surroundings
) -> Iterator[tuple[str, tuple[str, str]]]:
    menu = around.document("menu", data.get("id"))
    longest = menu.get("max_extension_length", _default("menu", "max_extension_length")) if menu else None
    for key in keys:
        if key in _NO_DIGITS:
            continue
        if not _DIALLED.fullmatch(key):
            hint = "branch keys of a menu are digits, * and #, timeout, max_retries and _"
            why = ": # ends an entry" if "#" in key else " on a telephone"
            yield key, (f"nobody can dial {key}{why}", did_you_mean(key, _NO_DIGITS) or hint)
        elif isinstance(longest, int) and len(key) > longest:
            said = f"nobody can dial {key}: the menu {data.get('id')} takes {longest} digits at most"
            yield key, (said, "raise its max_extension_length")


def _check_cid(data: Mapping[str, Any], keys: list[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    absolute = data.get("use_absolute_mode") is True
    for key in keys:
        if absolute and key in ("match", "nomatch"):
            said = f"with use_absolute_mode the branch is the caller's number, never {key}"
            yield key, (said, "take use_absolute_mode out, or name the branch after a number")
        elif not absolute and key not in ("match", "nomatch", DEFAULT):
            said = f"without use_absolute_mode the branch is match or nomatch, never {key}"
            yield key, (said, 'add "use_absolute_mode": true')


def _temporal_route(
    data: Mapping[str, Any], keys: list[str], around: Surroundings
) -> Iterator[tuple[str, tuple[str, str]]]:
    action = data.get("action")
    rules = around.ids.get("temporal_rule") if around.ids is not None else None
    for key in keys:
        if key == DEFAULT:
            continue
        if action in _ROUTE_ACTIONS:
            yield key, (f"action {action} changes rules and goes to _, never to {key}", "write _")
        elif key == "rule_set":
            if not data.get("rule_set"):
                yield key, ("there is no rule_set in the data: nothing leads to rule_set", "add rule_set")
        elif rules is not None and key not in rules:
            hint = did_you_mean(key, rules) or "see its folder temporal_rules/"
            yield key, (f"the account has no temporal_rule {key}: nothing leads to it", hint)


def _branch_variable(data: Mapping[str, Any], keys: list[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Only where the variable is a key of a document whose values its schema knows."""
    scope, variable = data.get("scope"), data.get("variable")
    if scope not in _DOCUMENT_SCOPES or not isinstance(variable, str):
        return
    part: Mapping[str, Any] = schemas.load(str(scope))
    for name in variable.split("."):
        part = part.get("properties", {}).get(name, {})
    values = _values(part)
    for key in keys if values is not None else ():
        if key != DEFAULT and not re.fullmatch(values or "", key):
            shown = "true or false" if part.get("type") == "boolean" else str(values).replace("|", ", ")
            if part.get("type") == "integer":
                shown = "a whole number"
            said = f"{variable} of the {scope} is never {key}: it is {shown}"
            yield key, (said, did_you_mean(key, str(values).split("|")))


def _values(part: Mapping[str, Any]) -> str | None:
    """What values of such a key look like as branch keys, as a regular expression; None: anything."""
    if part.get("type") == "boolean":
        return "true|false"
    if part.get("type") == "integer":
        return "-?(?:0|[1-9][0-9]*)"
    if part.get("type") == "string" and "enum" in part:
        return "|".join(re.escape(str(each)) for each in part["enum"])
    return None


def _default(kind: str, key: str) -> Any:
    return schemas.load(kind)["properties"].get(key, {}).get("default")
