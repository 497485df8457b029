"""Layer 3: a call's recordings: starts them, finds the one that is meant, lets them follow a transfer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from callflow.clock import month
from callflow.delivery.urls import upload_urls
from callflow.documents.keeping_rules import recipients_of
from callflow.documents.record_settings import RecordSettings
from callflow.engine.recording_facts import (
    Subject,
    document_of,
    moved_taps,
    replaced_taps,
    silence_rule,
    start_on,
    tap_points,
    with_url,
)
from callflow.engine.storage import resolve_storage, take_place
from callflow.errors import CallflowError, StorageError
from callflow.events import RecordingChanged
from callflow.media.messages import TapPoint
from callflow.recording.messages import (
    FileFormat,
    Mask,
    MoveTaps,
    Pause,
    RecordingCommand,
    RecordingEvent,
    RecordingSpec,
    Resume,
    StartOn,
    StartRecording,
    StopRecording,
    Target,
    Unmask,
)
from callflow.recording.outcome import listed_row
from callflow.state import records
from callflow.state.quota import refuse_if_full

if TYPE_CHECKING:
    import sqlite3

    from callflow.engine.call import Call

ENDS = frozenset({"finishing", "cancelled", "discarded", "failed", "ready"})
"""Changes after which nothing more is recorded."""

MoveLegs = Callable[[tuple[TapPoint, ...]], tuple[TapPoint, ...]]
"""Where taps listen once a leg has left."""

LISTED = frozenset({"started", "masked", "unmasked", "paused", "resumed"})
"""Changes that the state database is told."""


class By(StrEnum):
    """What has asked for a recording: it decides which ones an action of the flow means."""

    FLOW = "flow"  # a node or a metaflow
    RULE = "rule"  # call_recording of account, user or device
    MESSAGE = "message"  # a mailbox: a message, a greeting


class RecordingHandle:
    """One recording of a call, while it lives. ``asked_id``: what its node wanted as its id."""

    def __init__(self, spec: RecordingSpec, asked_id: str = "", by: By = By.FLOW) -> None:
        self.spec = spec
        self.by = by
        self.asked_id = asked_id
        self.taps = spec.taps
        self.stopping = False
        self.state = "WAITING" if spec.start is not StartOn.NOW else "RECORDING"
        self._begun = False
        self._ended = asyncio.Event()
        self._reason = ""
        self._seconds = 0.0

    @property
    def id(self) -> str:
        """Its id, which is that of its document."""
        return self.spec.id

    @property
    def over(self) -> bool:
        """True once nothing more is recorded."""
        return self._ended.is_set()

    async def ended(self) -> tuple[str, float]:
        """Wait until nothing more is recorded: why, and the seconds of sound. Does not raise ``CallGone``."""
        await self._ended.wait()
        return self._reason, self._seconds

    def note(self, event: RecordingEvent) -> None:
        """The recorder has changed its state, or refused: then nothing has changed, but a start that is
        refused (there is no state then) is the end.
        """
        refused = event.change == "refused"
        if refused and (self._begun or event.state):
            return
        self._begun = True
        self.state = event.state
        self._seconds = event.samples / self.spec.rate
        if (refused or event.change in ENDS) and not self._ended.is_set():
            self._reason = event.reason or event.change
            self._ended.set()


class RecordingsDesk:
    """All recordings of one call, in the order of their starts."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._handles: list[RecordingHandle] = []
        self.moves: list[MoveLegs] = []  # of this call's life: one may happen while a start waits

    @property
    def handles(self) -> tuple[RecordingHandle, ...]:
        """Every recording that was started on this call, the first first."""
        return tuple(self._handles)

    @property
    def recording(self) -> bool:
        """Whether anything of a talk is being recorded, or waits to be (messages do not count)."""
        return any(not handle.over and handle.by is not By.MESSAGE for handle in self._handles)

    @property
    def hears(self) -> bool:
        """Whether sound of a talk is being recorded at this moment: nothing masked, nothing paused."""
        return any(handle.state == "RECORDING" and handle.by is not By.MESSAGE for handle in self._handles)

    def latest(self, by: By) -> RecordingHandle | None:
        """The latest that was asked for so and is on, or waits."""
        on = (h for h in reversed(self._handles) if h.by is by and not h.over and not h.stopping)
        return next(on, None)

    async def all_ended(self) -> None:
        """Wait until nothing is recorded any more."""
        for handle in self.handles:
            if handle.spec.leg != "":  # else it is not this call's alone, and may outlive it
                await handle.ended()

    # ---- starting ----------------------------------------------------------------------------

    async def start(
        self,
        settings: RecordSettings,
        *,
        origin: str,
        taps: Sequence[TapPoint] | None,
        target: Target | None,
        dtmf_stop: str,
        document: Mapping[str, Any] | None = None,
        by: By = By.FLOW,
        subject: Subject | None = None,
        adjust: Callable[[RecordingSpec], RecordingSpec] | None = None,
    ) -> RecordingHandle | None:
        """See ``Call.record``. ``subject``: a B-leg, just answered, in place of the caller's leg. ``adjust``:
        the last word on what is recorded. Raises ``CallGone``.
        """
        call = self._call
        call.line.check()
        wall = call.services.clock.wall()
        if target is None:
            storage = resolve_storage(settings, call.settings, call.account, wall)
            if storage.message:
                call.notice(storage.level, storage.code, storage.message, storage.hint)
            if storage.target is None:
                return None
            target = storage.target
        leg = call.leg if subject is None else subject.leg
        points = tuple(taps) if taps is not None else tap_points(leg, call.settings)
        spec = self._spec(settings, origin, points, target, document, subject)
        spec = spec if adjust is None else adjust(spec)
        seal_to = None if by is By.MESSAGE else recipients_of(call.account.document)  # mailboxes play theirs
        named_by = call.id if subject is None else subject.call_id
        before = len(self.moves)
        listed = await self._reserve(replace(spec, dtmf_stop=dtmf_stop, seal_to=seal_to), named_by)
        if listed is None:
            return None
        moved = self.moves[before:]
        if call.gone or (moved and not listed.follow_transfer):
            # While the database was asked: its leg is not there any more to be recorded.
            await self._cancel(listed)
            call.line.check()
            return None
        for move in moved:
            listed = replace(listed, taps=move(listed.taps))
        handle = RecordingHandle(listed, settings.media_id, by)
        self._handles.append(handle)
        call.services.router.watch_recording(listed.id, lambda event: self._on_event(handle, event))
        answered, bridged = (call.answered, call.bridged) if subject is None else (True, False)
        call.services.media.send(StartRecording(listed, answered=answered, bridged=bridged))
        return handle

    def _spec(
        self,
        settings: RecordSettings,
        origin: str,
        taps: tuple[TapPoint, ...],
        target: Target,
        document: Mapping[str, Any] | None,
        subject: Subject | None,
    ) -> RecordingSpec:
        call, media = self._call, self._call.settings.media
        wall = call.services.clock.wall()
        recording_id = settings.media_id or call.services.ids.recording_id(month(wall))
        media_name = settings.media_name or f"{call.services.ids.hex32()}.{settings.format}"
        return RecordingSpec(
            id=recording_id,
            call_id=call.id,
            account_id=call.account.id,
            taps=taps,
            rate=call.line.channel.rate,
            start=start_on(settings),
            time_limit_s=settings.time_limit,
            min_s=settings.record_min_sec,
            silence=silence_rule(settings.silence, media),
            format=FileFormat(
                settings.format,
                settings.record_sample_rate,
                media.mp3_bitrate_kbps,
                media.mp3_quality,
            ),
            follow_transfer=settings.should_follow_transfer,
            target=target,
            origin=origin,
            label=settings.label,
            media_name=media_name,
            requested_wall=wall,
            document=document_of(call, media_name, settings, origin, document, subject),
        )

    async def _reserve(self, spec: RecordingSpec, named_by: str) -> RecordingSpec | None:
        """Put it into the database, under an id and an upload url that are nobody else's; None (after an
        error notice) if the database cannot be written.
        """
        call = self._call
        fresh = call.services.ids.recording_id(month(spec.requested_wall))

        def reserve(conn: sqlite3.Connection) -> RecordingSpec:
            refuse_if_full(conn, spec.account_id)
            found = spec
            if records.find_recording(conn, spec.id) is not None:
                found = replace(spec, id=fresh)
            if found.target.kind == "http":
                candidates = upload_urls(found.target.url, named_by, found.extension)
                found = with_url(found, records.reserve_url(conn, candidates, found.id))
            elif found.target.kind == "storage":
                found = take_place(conn, found, named_by)
            records.begin_recording(conn, listed_row(found))
            return found

        try:
            listed = await call.services.clock.outside(call.services.database.submit(reserve))
        except CallflowError as error:
            call.notice("error", error.code, f"not recorded: {error}", error.hint)
            return None
        if listed.id != spec.id:
            call.notice(
                "warning",
                "CF-RUN-MEDIA-ID",
                f"there is a recording {spec.id!r} already: this one is {listed.id}",
                "Leave media_id (and --seed) out, and each recording gets an id of its own.",
            )
        return listed

    async def _cancel(self, spec: RecordingSpec) -> None:
        """It never began: so it is listed, and its url is free again."""
        call = self._call
        row = replace(
            listed_row(spec), state="CANCELLED", reason="hangup", finished_wall=call.services.clock.wall()
        )
        await call.services.clock.outside(
            call.services.database.submit(lambda conn: records.finish_recording(conn, row, None))
        )

    # ---- stopping and the like ---------------------------------------------------------------

    def stop(self, *, media_id: str, media_name: str, label: str, reason: str) -> list[str]:
        """End the latest that fits; one that is being stopped does not count any more."""
        handle = self._pick(media_id, media_name, label)
        if handle is None:
            return []
        handle.stopping = True
        return self._tell(handle, StopRecording(handle.id, reason))

    def mask(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """Silence from now on."""
        return self._change(Mask, media_id, media_name, label)

    def unmask(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """Sound again."""
        return self._change(Unmask, media_id, media_name, label)

    def pause(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """Nothing from now on."""
        return self._change(Pause, media_id, media_name, label)

    def resume(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """On with it."""
        return self._change(Resume, media_id, media_name, label)

    def _change(
        self, command: Callable[[str], RecordingCommand], media_id: str, media_name: str, label: str
    ) -> list[str]:
        handle = self._pick(media_id, media_name, label)
        return [] if handle is None else self._tell(handle, command(handle.id))

    def _pick(self, media_id: str, media_name: str, label: str) -> RecordingHandle | None:
        named = bool(media_id or media_name or label)
        for handle in reversed(self._handles):
            if handle.over or handle.stopping or not (named or handle.by is By.FLOW):
                continue
            spec = handle.spec
            if (
                media_id in ("", spec.id, handle.asked_id)
                and media_name in ("", spec.media_name)
                and label in ("", spec.label)
            ):
                return handle
        return None

    def _tell(self, handle: RecordingHandle, command: RecordingCommand) -> list[str]:
        self._call.services.media.send(command)
        return [handle.id]

    # ---- transfers ---------------------------------------------------------------------------

    def transfer(self, left: str, remains: str) -> None:
        """The leg ``left`` transfers the leg ``remains``: recordings that follow go on, each party on its
        channel; the others end. To be called while both legs are there.
        """
        self._move(left, lambda taps: moved_taps(taps, left, remains))

    def replace(self, left: str, by: str) -> None:
        """The leg ``by`` takes the place of the leg ``left``: recordings that follow go on with it, each side
        on its channel; the others end. To be called while both legs are there.
        """
        self._move(left, lambda taps: replaced_taps(taps, left, by))

    def _move(self, left: str, moved: MoveLegs) -> None:
        self.moves.append(moved)
        for handle in self._handles:
            if handle.over or handle.stopping or handle.spec.leg is not None:
                continue  # (who has said whose it is moves it too)
            if not handle.spec.follow_transfer:
                if handle.by is By.RULE and all(tap.leg != left for tap in handle.taps):
                    continue  # its leg stays, and a setting's recording lasts as long as that (kazoo.md 1.9)
                handle.stopping = True
                self._tell(handle, StopRecording(handle.id, "transfer"))
                continue
            taps = moved(handle.taps)
            if taps != handle.taps:
                handle.taps = taps
                self._tell(handle, MoveTaps(handle.id, taps))

    # ---- events ------------------------------------------------------------------------------

    def _on_event(self, handle: RecordingHandle, event: RecordingEvent) -> None:
        call, listed = self._call, handle.state
        handle.note(event)
        if event.change == "refused":
            call.notice("warning", "CF-RUN-RECORDING", f"recording {event.id}: {event.message}")
            return
        call.services.bus.publish(
            RecordingChanged(
                time=event.time,
                call_id=call.id,
                recording_id=event.id,
                change=event.change,
                state=event.state,
                reason=event.reason,
                seconds=event.samples / handle.spec.rate,
                origin=handle.spec.origin,
                format=handle.spec.format.name,
                message=event.message,
            )
        )
        if event.change == "started" and handle.by is not By.MESSAGE:
            call.announcing.recording_began()
        if event.change in LISTED and event.state != listed:
            self._list_state(event)
        if handle.over:
            call.services.router.forget_recording(event.id)

    def _list_state(self, event: RecordingEvent) -> None:
        """Told, not awaited: a listing may lag, a call may not."""
        with contextlib.suppress(StorageError):
            self._call.services.database.submit(
                lambda conn: records.update_recording(conn, event.id, event.state)
            )
