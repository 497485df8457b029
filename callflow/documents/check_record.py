"""Layer 1: what can be wrong with a recording although each key is right: limits, silence, order of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from callflow.documents.problems import Sheet
from callflow.documents.record_settings import choose_storage, resolve_record, resolve_record_caller
from callflow.documents.settings import Settings

_RECORD = ("record_call", "record_caller")
_BRIDGES = ("user", "device", "ring_group", "group")
_STRICT_BRIDGES = ("resources", "offnet")
"""These never go to ``_`` (kazoo.md 2.4): only to a child named after the cause or the code."""
_SILENCE = ("silence_initial_timeout", "silence_final_timeout", "silence_threshold")


@dataclass(frozen=True, slots=True)
class Passed:
    """A node and the way from the root to it. ``key``: the branch that led here. ``leaf``: no children."""

    module: str
    data: Mapping[str, Any]
    key: str
    pointer: str
    before: Passed | None
    leaf: bool

    def with_data(self, data: Mapping[str, Any]) -> Passed:
        """The same place with its data as it is read."""
        return replace(self, data=data)

    def way_back(self) -> Iterator[Passed]:
        """The nodes before this one, nearest first."""
        node = self.before
        while node is not None:
            yield node
            node = node.before


def check_record_node(sheet: Sheet, node: Passed, settings: Settings) -> None:
    """Report what is wrong with this node's recording, if it is about one."""
    if node.module == "voicemail":
        _into_voicemail(sheet, node)
    if node.module not in _RECORD:
        return
    action = node.data.get("action", "start") if node.module == "record_call" else "start"
    if action == "stop":
        _stop(sheet, node)
    if action == "start":
        _start(sheet, node, settings)


def _start(sheet: Sheet, node: Passed, settings: Settings) -> None:
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
    if choose_storage(effective.url, settings).kind == "none":
        said = "nothing is recorded: there is no url, and media.store_recordings is false"
        sheet.add("CF-CHK-086", where, said, "give a url")
    if effective.record_min_sec > effective.time_limit:
        said = f"every recording is deleted: none of at most {effective.time_limit} s reaches record_min_sec"
        key = "record_min_sec" if "record_min_sec" in data else "time_limit"
        sheet.add("CF-CHK-087", f"{where}/{key}" if key in data else where, said)


def _stop(sheet: Sheet, node: Passed) -> None:
    """An answered bridge ends the flow when it ends: what is below runs only if nobody answered."""
    key = node.key
    for before in node.way_back():
        if before.module in _STRICT_BRIDGES and key == "_":
            said = f"this stop is never reached: {before.module} never goes to _"
            sheet.add("CF-CHK-084", node.pointer, said, "the recording ends with the call")
            return
        if before.module in _BRIDGES or before.module in _STRICT_BRIDGES:
            unless = f"this stop runs only if {before.module} is not answered"
            said = f"{unless}: an answered bridge runs no children"
            hint = "the recording ends with the call" + ("; leave the stop out" if node.leaf else "")
            sheet.add("CF-CHK-084" if node.leaf else "CF-CHK-089", node.pointer, said, hint)
            return
        key = before.key


def _into_voicemail(sheet: Sheet, node: Passed) -> None:
    """The documentation's note: a recording that still runs takes the message in too."""
    running = 0
    for before in reversed(list(node.way_back())):
        if before.module == "record_call":
            running += {"start": 1, "stop": -1}.get(str(before.data.get("action", "start")), 0)
            running = max(running, 0)
    if running:
        said = "a recording still runs when voicemail takes its message"
        sheet.add(
            "CF-CHK-088", node.pointer, said, "Kazoo's documentation asks for a record_call stop before it"
        )
