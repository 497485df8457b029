"""Layer 1: what can be wrong with a recording although each key is right: limits, silence, order of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callflow.documents.nodes import DEFAULT, rule_of, skipped
from callflow.documents.problems import Sheet
from callflow.documents.record_settings import choose_storage, resolve_record, resolve_record_caller
from callflow.documents.settings import Settings

_RECORD = ("record_call", "record_caller")
_SILENCE = ("silence_initial_timeout", "silence_final_timeout", "silence_threshold")
_RINGS = ("bridge", "causes")
"""Rules of modules that ring somebody; with ``causes`` they never go to ``_`` (kazoo.md 2.4)."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A node and what lies on the way from the root to it.

    ``key``: the branch that led here. ``leaf``: it has no children. ``running``: recordings of this flow that
    run when it is reached. ``rung``: the nearest node above that rings somebody, and its branch to here.
    ``answered``: the node above that has answered the call; an empty string: none has for certain.
    """

    module: str
    data: Mapping[str, Any]
    key: str
    pointer: str
    leaf: bool
    running: int = 0
    rung: tuple[str, str, bool] | None = None
    answered: str = ""

    @classmethod
    def at(
        cls,
        module: str,
        data: Mapping[str, Any],
        key: str,
        pointer: str,
        before: Passed | None,
        *,
        leaf: bool,
    ) -> Passed:
        """The node below ``before`` that its branch ``key`` leads to; None: the root."""
        if before is None:
            return cls(module, data, key, pointer, leaf)
        running, rung, answered = before.running, before.rung, before.answered
        rule = rule_of(before.module, before.data)
        if not skipped(before.data):
            if before.module == "record_call":
                running += {"start": 1, "stop": -1}.get(str(before.data.get("action", "start")), 0)
            if before.module in _ANSWERS and not answered:
                answered = before.module
        if rule in _RINGS:
            rung = (before.module, key, rule == "causes")
        return cls(module, data, key, pointer, leaf, max(running, 0), rung, answered)


_ANSWERS = ("answer", "menu", "record_caller")
"""Modules that answer the call whatever else happens."""


def check_record_node(sheet: Sheet, node: Passed, settings: Settings, plan: Mapping[str, Any]) -> None:
    """Report what is wrong with this node's recording, if it is about one. ``plan``: of storage."""
    if skipped(node.data):
        return
    if node.module == "voicemail":
        _into_voicemail(sheet, node)
    if node.module not in _RECORD:
        return
    action = node.data.get("action", "start") if node.module == "record_call" else "start"
    if action == "stop":
        _stop(sheet, node)
    if action == "start":
        _start(sheet, node, settings, plan)


def _start(sheet: Sheet, node: Passed, settings: Settings, plan: Mapping[str, Any]) -> None:
    data, where = node.data, f"{node.pointer}/data"
    resolve = resolve_record_caller if node.module == "record_caller" else resolve_record
    effective = resolve(data, settings)
    for note in effective.notes:
        if note.code in ("CF-CHK-080", "CF-CHK-082") and note.key in data and note.level == "warning":
            sheet.add(note.code, f"{where}/{note.key}", note.message, note.hint)
    if "origin" in data:
        sheet.add("CF-CHK-083", f"{where}/origin", "origin is read-only: it is overwritten", at_key=True)
    if effective.record_on_answer and effective.record_on_bridge:
        said = "record_on_answer and record_on_bridge are both set: the bridge decides"
        sheet.add("CF-CHK-085", f"{where}/record_on_answer", said, "keep one", at_key=True)
    if effective.silence is None:
        for key in _SILENCE:
            if key in data:
                said = f"{key} has no effect without silence_detection"
                sheet.add("CF-CHK-081", f"{where}/{key}", said, 'add "silence_detection": true', at_key=True)
    if choose_storage(effective.url, settings, plan).kind == "none":
        said = "nothing is recorded: there is no url, and media.store_recordings is false"
        sheet.add("CF-CHK-086", where, said, "give a url")
    if effective.record_min_sec > effective.time_limit:
        said = f"every recording is deleted: none of at most {effective.time_limit} s reaches record_min_sec"
        key = "record_min_sec" if "record_min_sec" in data else "time_limit"
        sheet.add("CF-CHK-087", f"{where}/{key}" if key in data else where, said)


def _stop(sheet: Sheet, node: Passed) -> None:
    """An answered bridge ends the flow when it ends: what is below runs only if nobody answered."""
    if node.rung is None:
        return
    module, key, strict = node.rung
    if strict and key == DEFAULT:
        said = f"this stop is never reached: {module} never goes to _"
        sheet.add("CF-CHK-084", node.pointer, said, "the recording ends with the call: leave the stop out")
        return
    said = f"this stop runs only if {module} is not answered: an answered bridge runs no children"
    hint = "the recording ends with the call" + ("; leave the stop out" if node.leaf else "")
    sheet.add("CF-CHK-089", node.pointer, said, hint)


def _into_voicemail(sheet: Sheet, node: Passed) -> None:
    """The documentation's note: a recording that still runs takes the message in too."""
    if node.running and node.data.get("action", "compose") != "check":
        said = "a recording still runs when voicemail takes its message"
        hint = "Kazoo's documentation asks for a record_call stop before it"
        sheet.add("CF-CHK-088", node.pointer, said, hint)
