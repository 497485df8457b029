"""Layer 6: recordings of a call that is up: started, stopped, masked, paused from outside, by the code of
``record_call``. An answer comes when it has happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from callflow.documents import jsontext
from callflow.documents.accounts import FOLDERS
from callflow.documents.check_data import Surroundings, check_object
from callflow.documents.placeholders import fill
from callflow.documents.problems import Problem, Sheet
from callflow.documents.record_settings import RecordSettings, resolve_record
from callflow.engine.call import Call, RecordingHandle
from callflow.errors import ApiError, CallGone
from callflow.events import Event, Noticed, RecordingChanged
from callflow.log import one_line
from callflow.modules.record_call import changes
from callflow.notices import RECORDING
from callflow.server.auth import Token
from callflow.server.envelope import invalid, ok
from callflow.server.parts import Parts
from callflow.server.v2.sent import Sent, refusal, warnings_of
from callflow.server.v2.telling import tell, who

ALL = "all"
"""As ``media_name``: every recording that is on, whoever has started it (Kazoo's ``Media-Name: all``)."""
ACTIONS = ("start", "stop", "mask", "unmask", "pause", "resume")
HAPPENS_WITHIN_S = 3.0
_TELLS = {
    "start": frozenset({"waiting", "started"}),
    "stop": frozenset({"finishing", "cancelled"}),
    "mask": frozenset({"masked"}),
    "unmask": frozenset({"unmasked"}),
    "pause": frozenset({"paused"}),
    "resume": frozenset({"resumed"}),
}
"""Which change of a recording says that an action has happened."""
_ENDS = frozenset({"finishing", "cancelled", "discarded", "failed", "ready"})


def row(handle: RecordingHandle) -> dict[str, Any]:
    """A recording of a live call. ``started_by``: ``flow`` (a node, digits, or this API), ``rule`` (a
    setting) or ``message`` (a mailbox).
    """
    spec = handle.spec
    return {
        "id": handle.id,
        "call_id": spec.call_id,
        "state": handle.state,
        "over": handle.over,
        "origin": spec.origin,
        "started_by": handle.by.value,
        "label": spec.label,
        "media_name": spec.media_name,
        "format": spec.format.name,
        "channels": len(spec.taps),
        "sample_rate": spec.rate,
        "requested": spec.requested_wall,
    }


async def record(
    request: web.Request,
    parts: Parts,
    token: Token,
    call: Call,
    sent: Sent,
    *,
    action: str = "start",
    status: int = 200,
) -> web.Response:
    """Do what was sent (data of ``record_call``; ``action`` where it says none that is one) to the call, and
    answer with the recordings. Raises ApiError.
    """
    data, problems = checked(sent, action, around(parts, call))
    if "recording_id" in request.match_info:
        data["media_id"] = request.match_info["recording_id"]
        if all(data["media_id"] not in (each.id, each.asked_id) for each in call.recordings.handles):
            raise ApiError(404, "this call has no such recording")
    rows = await act(call, data, who(token))
    ids = ", ".join(each["id"] for each in rows)
    tell(token, call.account.id, f"call {one_line(call.id, 80)}: {data['action']} recording {ids}")
    return ok(request, rows, status=status, warnings=warnings_of(problems))


def around(parts: Parts, call: Call) -> Surroundings:
    """What is sent about a call is judged in: its settings and its account's documents."""
    judged_in = parts.exchange.options.around(call.settings)
    documents = {kind: call.account.all(kind) for kind in FOLDERS}
    ids = {kind: frozenset(found) for kind, found in documents.items()}
    return replace(judged_in, ids=ids, documents=documents)


def checked(sent: Sent, action: str, judged_in: Surroundings) -> tuple[dict[str, Any], list[Problem]]:
    """What was sent, as data of ``record_call`` with an action, and what is doubtful in it. Raises ApiError
    400.
    """
    value = sent.value
    if not isinstance(value, dict):
        raise invalid("data", "type", "data is an object, as in a record_call node")
    said = value.get("action", action)
    known = action if said in (f"{action}_record", f"{action}_recording") else said
    sheet = Sheet(jsontext.examine(sent.text))
    data = check_object(sheet, {**value, "action": known}, "modules/record_call", "", judged_in)
    problems = sent.placed(sorted(sheet.problems))
    if any(problem.is_error for problem in problems):
        raise refusal(problems)
    return dict(data), problems


async def act(call: Call, data: Mapping[str, Any], who: str) -> list[dict[str, Any]]:
    """Do what ``data`` (of ``record_call``) says to the call; gives the recordings that it was done to.
    ``who`` becomes part of the origin of one that is started. Raises ApiError 409: the call is over, nothing
    fits, or a recording is in a state that does not allow it.
    """
    settings = resolve_record(fill(data, call.placeholders()).value, call.settings)
    witness = _Witness(call)
    try:
        if settings.action == "start":
            ids = told = await _start(call, settings, who)
        elif settings.media_name == ALL:
            ids, told = await _change_all(call, settings.action)
        else:
            ids = told = await _change(call, settings)
        for id in told:
            await witness.sees(id, settings.action, lenient=settings.media_name == ALL)
    except CallGone as error:
        raise ApiError(409, "the call is over") from error
    finally:
        witness.close()
    return [row(handle) for handle in call.recordings.handles if handle.id in ids]


async def _start(call: Call, settings: RecordSettings, who: str) -> list[str]:
    for note in settings.notes:
        call.notice(note.level, note.code, f"API record_call: {note.message}", note.hint)
    await call.announcing.before_recording(settings)
    handle = await call.record(settings, origin=f"api : {settings.label or who}")
    if handle is None:
        raise ApiError(409, "nothing is recorded: a notice of the call says why")
    return [handle.id]


async def _change(call: Call, settings: RecordSettings) -> list[str]:
    change, _ = changes(call)[settings.action]
    ids = await change(media_id=settings.media_id, media_name=settings.media_name, label=settings.label)
    if not ids:
        raise ApiError(409, "no recording that is on fits", data=_on(call.recordings.handles))
    return ids


async def _change_all(call: Call, action: str) -> tuple[list[str], list[str]]:
    """All that are on, and those of them to which something has to be done."""
    change, _ = changes(call)[action]
    on = [handle for handle in call.recordings.handles if not handle.over and not handle.stopping]
    if not on:
        raise ApiError(409, "nothing is being recorded")
    told = [id for handle in on if _needs(handle, action) for id in await change(media_id=handle.id)]
    return [handle.id for handle in on], told


def _needs(handle: RecordingHandle, action: str) -> bool:
    """Of all recordings some may be as wanted already."""
    as_wanted = {"mask": "MASKED", "unmask": "RECORDING", "pause": "PAUSED", "resume": "RECORDING"}
    return handle.state != as_wanted.get(action)


def _on(handles: Sequence[RecordingHandle]) -> dict[str, Any]:
    on = [row(handle) for handle in handles if not handle.over and not handle.stopping]
    said = "no recording that is on fits: name one by media_id, or all of them by media_name: all"
    return {"message": said, "recordings": on}


class _Witness:
    """Hears what becomes of a call's recordings, from before something is asked for."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._heard: list[Event] = []
        self._news = asyncio.Event()
        self.close = call.services.bus.subscribe(self._on_event, call_id=call.id)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, RecordingChanged | Noticed):
            self._heard.append(event)
            self._news.set()

    async def sees(self, id: str, action: str, *, lenient: bool = False) -> None:
        """Wait until ``action`` has happened to the recording, or it has ended. Raises ApiError: 409 if it
        was refused (``lenient``: it is as wanted, then), 503 if nothing happens.
        """
        try:
            async with asyncio.timeout(HAPPENS_WITHIN_S):
                while not self._seen(id, action, lenient):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise ApiError(503, f"recording {id}: nothing has happened yet") from None

    def _seen(self, id: str, action: str, lenient: bool) -> bool:
        for event in self._heard:
            if isinstance(event, RecordingChanged) and event.recording_id == id:
                if event.change == "failed":
                    raise ApiError(409, f"recording {id} has failed: {event.message}")
                if event.change in _TELLS[action] or event.change in _ENDS:
                    return True
            elif isinstance(event, Noticed) and event.code == RECORDING and id in event.message:
                if lenient:
                    return True
                raise ApiError(409, event.message)
        return False
