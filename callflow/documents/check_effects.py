"""Layer 1: settings of a node that do nothing because of its others: keys of a stop, limits never reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents import schemas
from callflow.documents.check_record import Passed
from callflow.documents.nodes import rule_of, skipped
from callflow.documents.problems import Sheet
from callflow.documents.record_settings import RecordSettings, resolve_record, resolve_record_caller
from callflow.documents.settings import Settings

_PICKS = frozenset({"action", "media_id", "media_name", "label", "skip_module"})
"""What an action other than ``start`` goes by."""
_OTHER_ACTIONS = ("stop", "mask", "unmask", "pause", "resume")
_DEFAULT_RING_S = 20
_TIMERS = {"silence_final_timeout": "final_ms", "silence_initial_timeout": "initial_ms"}


def check_effects(sheet: Sheet, node: Passed, settings: Settings) -> None:
    """Report keys of this node that are without effect. ``node.data``: texts cast."""
    if skipped(node.data):
        return
    where = f"{node.pointer}/data"
    if node.module == "record_call" and node.data.get("action") in _OTHER_ACTIONS:
        _only_start(sheet, node.data, where)
    elif node.module in ("record_call", "record_caller"):
        resolve = resolve_record if node.module == "record_call" else resolve_record_caller
        effective = resolve(node.data, settings)
        _recording(sheet, node, effective, where)
        _silence(sheet, node.data, effective, where)
        _unit(sheet, node.data, effective, settings, where)
    elif rule_of(node.module, node.data) in ("bridge", "causes"):
        _ringing(sheet, node.data, where)
    elif node.module == "play" and node.data.get("endless_playback") is True and "loop_count" in node.data:
        said = "loop_count does nothing beside endless_playback"
        sheet.add("CF-CHK-078", f"{where}/loop_count", said, "keep one of them", at_key=True)


def _only_start(sheet: Sheet, data: Mapping[str, Any], where: str) -> None:
    """Kazoo's API writes defaults into each document it saves: only what somebody chose is told."""
    properties = schemas.module_schema("record_call")["properties"]
    for key in data:
        if key not in properties or key in _PICKS or data[key] == properties[key].get("default"):
            continue
        said = f"{key} does nothing with action {data['action']}: it is for start"
        hint = "media_id, media_name or label pick the recording; leave the rest out"
        sheet.add("CF-CHK-078", f"{where}/{key}", said, hint, at_key=True)


def _recording(sheet: Sheet, node: Passed, effective: RecordSettings, where: str) -> None:
    data = node.data
    if effective.url is None and effective.method == "post" and "method" in data:
        said = "method does nothing without a url: nothing is uploaded"
        sheet.add("CF-CHK-078", f"{where}/method", said, "give a url, or leave it out", at_key=True)
    if effective.record_on_answer and not effective.record_on_bridge and node.answered:
        said = f"record_on_answer does nothing here: {node.answered} has answered the call already"
        hint = "the recording starts at once; put the node before the answer, or leave the key out"
        sheet.add("CF-CHK-078", f"{where}/record_on_answer", said, hint, at_key=True)


def _silence(sheet: Sheet, data: Mapping[str, Any], effective: RecordSettings, where: str) -> None:
    silence = effective.silence
    if silence is None or "silence_detection" not in data:
        return
    if not silence.initial_ms and not silence.final_ms:
        said = "silence_detection does nothing: both of its timeouts are 0"
        sheet.add("CF-CHK-078", f"{where}/silence_detection", said, "give silence_final_timeout", at_key=True)
    limit_ms = effective.time_limit * 1000
    for key, name in _TIMERS.items():
        ms = getattr(silence, name)
        if key in data and ms >= limit_ms:
            limit = f"its limit of {effective.time_limit} s"
            said = f"{key} never ends the recording: {ms / 1000:g} s are not under {limit}"
            sheet.add("CF-CHK-079", f"{where}/{key}", said, "write less, or raise time_limit", at_key=True)


def _unit(
    sheet: Sheet, data: Mapping[str, Any], effective: RecordSettings, settings: Settings, where: str
) -> None:
    """A number that makes no sense in the unit that the settings give it (``auto`` is judged elsewhere)."""
    unit, silence = settings.media.silence_timeout_unit, effective.silence
    if silence is None or unit == "auto" or "silence_detection" not in data:
        return
    for key, name in _TIMERS.items():
        ms = getattr(silence, name)
        if unit == "ms" and 0 < ms < _SHORTEST_MS:
            said = f"{key} is {ms} ms: the recording ends at the first breath"
        elif unit == "s" and ms >= _LONGEST_S * 1000:
            said = f"{key} is {ms // 1000} s, as long as {ms // 60000} minutes"
        else:
            continue
        place = key if key in data else "silence_detection"
        hint = "media.silence_timeout_unit is " + unit + ("; the default 5 too" if place != key else "")
        sheet.add("CF-CHK-082", f"{where}/{place}", said, hint, at_key=True)


_SHORTEST_MS = 300
"""Pauses between words are that long."""
_LONGEST_S = 1000


def _ringing(sheet: Sheet, data: Mapping[str, Any], where: str) -> None:
    """Nobody of a group that rings together rings longer than the group."""
    total = data.get("timeout") or _DEFAULT_RING_S
    members = data.get("endpoints")
    if not isinstance(total, int | float) or data.get("strategy", "simultaneous") != "simultaneous":
        return
    for index, member in enumerate(members if isinstance(members, list) else ()):
        delay = member.get("delay") if isinstance(member, Mapping) else None
        if isinstance(delay, int | float) and not isinstance(delay, bool) and delay >= total:
            said = (
                f"{member.get('id')} never rings: its delay of {delay} s is not under the group's {total} s"
            )
            sheet.add("CF-CHK-079", f"{where}/endpoints/{index}/delay", said, "delay it less", at_key=True)
