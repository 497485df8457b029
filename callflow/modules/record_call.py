"""Layer 4, module ``record_call``: start, stop, mask, unmask, pause or resume a recording of the call.

What the keys mean is ``documents/record_settings.py`` (one reading for the engine and ``callflow
explain``); what a recording does from then on is ``callflow/recording``. This file only picks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from callflow.documents.record_settings import RecordSettings, resolve_record
from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


class _Change(Protocol):
    """What ``Call`` offers for a recording that is on: picked by what is given, else the latest."""

    def __call__(
        self, *, media_id: str = "", media_name: str = "", label: str = ""
    ) -> Awaitable[list[str]]: ...


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Do ``action`` and go on to ``_`` at once: a recording never holds up a call or fails its flow."""
    settings = resolve_record(data, call.settings)
    for note in settings.notes:
        call.notice(note.level, note.code, note.message, note.hint)
    if settings.action == "start":
        await call.announcing.before_recording(settings)
        return Continue(did=await _start(settings, call))
    change, did = changes(call).get(settings.action, (None, ""))
    if change is None:
        # The note that says so is among settings.notes. A typo must never start a recording.
        return Continue(did=f"passed over: there is no action {settings.action!r}")
    media_id, media_name, label = settings.media_id, settings.media_name, settings.label
    ids = await change(media_id=media_id, media_name=media_name, label=label)
    none = "no recording that is on fits" if media_id or media_name or label else "none is on"
    return Continue(did=f"{did} recording {', '.join(ids)}" if ids else f"{did} nothing: {none}")


async def _start(settings: RecordSettings, call: Call) -> str:
    handle = await call.record(settings, origin=origin_of(settings, call))
    return "started nothing" if handle is None else f"started recording {handle.id}"


def origin_of(settings: RecordSettings, call: Call) -> str:
    """Who asked for the recording, in Kazoo's words (kazoo.md 1.2, 1.12)."""
    return f"callflow : {settings.label or call.flow_name or call.party.to_number}"


def changes(call: Call) -> Mapping[str, tuple[_Change, str]]:
    """What an action other than ``start`` does, and that in a word."""
    return {
        "stop": (call.stop_recording, "stopped"),
        "mask": (call.mask, "masked"),
        "unmask": (call.unmask, "unmasked"),
        "pause": (call.pause, "paused"),
        "resume": (call.resume, "resumed"),
    }
