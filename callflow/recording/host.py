"""Layer 2: all recordings of one pump: commands in, events out.

How a media port uses it, in the pump's thread::

    events = host.command(command)            # a RecordingCommand; others go to pump.command
    reached, events = pump.advance(until)     # with ends by limit, silence, digit and hangup among them
    events += host.settle()                   # after every block: what the writer has found out

``started`` is told only when the spool is on disk: what was told to have begun is never lost. For every
recording that was not ``refused``, ``on_closed`` is called once, in whatever thread, also if it has failed:
then what is there of it can be finished.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from callflow.errors import StateError
from callflow.media.messages import Digit
from callflow.media.pump import TICKS_PER_S
from callflow.media.taps import LegWatcher, Tap, legs_of
from callflow.recording.messages import (
    LegNotice,
    Mask,
    MoveTaps,
    Pause,
    RecordingCommand,
    RecordingEvent,
    RecordingSpec,
    Resume,
    SpoolClosed,
    StartRecording,
    StopRecording,
    Unmask,
)
from callflow.recording.recorder import RUNNING, Recorder, State, Step
from callflow.recording.tap import RecordingTap
from callflow.recording.writer import SpoolHandle, SpoolWriter

MAX_CHANNELS = 32


class TappedPump(Protocol):
    """What a recording needs of ``callflow.media.pump.Pump``."""

    @property
    def now(self) -> float: ...

    def attach(self, tap: Tap) -> None: ...

    def detach(self, tap: Tap) -> None: ...

    def catch_up(self, tap: Tap) -> list[object]: ...

    def watch(self, watcher: LegWatcher) -> None: ...


@dataclass(frozen=True, slots=True)
class RecordingView:
    """A recording as a list shows it. ``seconds``: of the file so far."""

    id: str
    call_id: str
    state: str
    seconds: float
    origin: str


class RecordingHost:
    """Runs recorders as taps of ``pump``. ``on_closed`` is called from the writer's thread, mostly."""

    def __init__(
        self, pump: TappedPump, writer: SpoolWriter, *, on_closed: Callable[[SpoolClosed], None]
    ) -> None:
        self._pump = pump
        self._writer = writer
        self._on_closed = on_closed
        self._taps: dict[str, RecordingTap] = {}  # those that wait or run
        self._legs: dict[str, dict[str, RecordingTap]] = {}  # the same, by their leg
        self._by_spool: dict[SpoolHandle, RecordingTap] = {}  # also those whose spool is not closed yet
        pump.watch(self)

    @property
    def recordings(self) -> tuple[RecordingView, ...]:
        """Those that wait or run, oldest first."""
        return tuple(
            RecordingView(r.spec.id, r.spec.call_id, str(r.state), r.samples / r.spec.rate, r.spec.origin)
            for r in (tap.recorder for tap in self._taps.values())
        )

    @property
    def busy(self) -> bool:
        """True while a spool is open: ``settle`` may still have something to tell."""
        return bool(self._by_spool)

    # ---- commands -----------------------------------------------------------------------------

    def command(self, command: RecordingCommand) -> list[RecordingEvent]:
        """Carry out a command at the pump's present sample. What does not fit gives a ``refused`` event."""
        now = self._pump.now
        if isinstance(command, StartRecording):
            return self._start(command, now)
        if isinstance(command, LegNotice):
            return self._notice(command, now)
        tap = self._taps.get(command.id)
        if tap is None:
            message = f"recording {command.id!r} neither waits nor runs"
            return [RecordingEvent(command.id, "refused", "", now, 0, message=message)]
        self._catch_up(tap)
        try:
            return self._act(command, tap, now)
        except StateError as error:
            return [tap.recorder.event("refused", now, message=error.message)]

    def _act(
        self,
        command: StopRecording | Mask | Unmask | Pause | Resume | MoveTaps,
        tap: RecordingTap,
        now: float,
    ) -> list[RecordingEvent]:
        match command:
            case StopRecording():
                return self._end(tap, now, command.reason)
            case MoveTaps():
                if not tap.recorder.spec.follow_transfer:
                    return self._end(tap, now, "transfer")
                self._leave_leg(tap)
                try:
                    return self._tell(tap, [tap.move(command.taps, now, command.leg)])
                finally:  # the new leg, or the old one if the move was refused
                    self._legs.setdefault(tap.recorder.leg, {})[tap.recorder.spec.id] = tap
            case Mask():
                step = Step.MASK
            case Unmask():
                step = Step.UNMASK
            case Pause():
                step = Step.PAUSE
            case Resume():
                step = Step.RESUME
        return self._tell(tap, [tap.step(step, now)])

    def _start(self, command: StartRecording, now: float) -> list[RecordingEvent]:
        spec = command.spec
        if spec.id in self._taps:
            message = f"a recording {spec.id!r} is being made already"
            return [RecordingEvent(spec.id, "refused", "", now, 0, message=message)]
        if problem := _problem(spec):
            self._on_closed(
                SpoolClosed(spec.id, str(self._writer.folder_of(spec)), now, "impossible", problem)
            )
            return [RecordingEvent(spec.id, "failed", str(State.FAILED), now, 0, "impossible", problem)]
        recorder = Recorder(spec)  # before anything is open: it may raise
        spool = self._writer.open(spec, now, self._on_closed)
        tap = RecordingTap(recorder, spool, self._writer, self)
        self._taps[spec.id] = tap
        self._legs.setdefault(tap.recorder.leg, {})[spec.id] = tap
        self._by_spool[spool] = tap
        if tap.recorder.due(answered=command.answered, bridged=command.bridged):
            events = self._begin(tap, now)
        else:
            events = self._tell(tap, [tap.recorder.event("waiting", now)])
        return events + self.settle()

    def _notice(self, notice: LegNotice, now: float) -> list[RecordingEvent]:
        answered, bridged = notice.what == "answered", notice.what == "bridged"
        events: list[RecordingEvent] = []
        for tap in self._of_leg(notice.leg):
            recorder = tap.recorder
            if recorder.state is State.WAITING and recorder.due(answered=answered, bridged=bridged):
                events += self._begin(tap, now)
        return events

    def _begin(self, tap: RecordingTap, now: float) -> list[RecordingEvent]:
        event = tap.step(Step.BEGIN, now)
        self._pump.attach(tap)
        return self._tell(tap, [event])

    # ---- ends ---------------------------------------------------------------------------------

    def leg_removed(self, leg: str, time: float) -> list[object]:
        """A leg has ended (the pump says): so do the recordings whose first channel it is (``hangup``)."""
        return [event for tap in self._of_leg(leg) for event in self._end(tap, time, "hangup")]

    def digit(self, digit: Digit) -> list[object]:
        """A party pressed a digit (called by the pump): it ends the recordings that it is meant to end."""
        return [
            event
            for tap in self._of_leg(digit.leg)
            if digit.digit in tap.recorder.spec.dtmf_stop and tap.recorder.state in RUNNING
            for event in self._end(tap, digit.time, "digit")
        ]

    def end_all(self, reason: str) -> list[RecordingEvent]:
        """End every recording (shutdown)."""
        now = self._pump.now
        return [event for tap in tuple(self._taps.values()) for event in self._end(tap, now, reason)]

    def abandon(self) -> None:
        """Hand everything recorded so far to the writer, and end nothing: this process ends, and whoever
        finds the spools finishes them as recovered.
        """
        for tap in tuple(self._taps.values()):
            self._pump.catch_up(tap)
            tap.flush()

    # ---- from process to process --------------------------------------------------------------

    def give_away(self, legs: Collection[str]) -> list[RecordingTap]:
        """The recordings that listen to one of ``legs`` go to another process: nothing more is recorded of
        them here, and all that was is on its way to the writer. ``gone`` when that has let go of each.
        """
        here = [tap for tap in self._taps.values() if not legs_of(tap.points).isdisjoint(legs)]
        for tap in here:
            self._catch_up(tap)
            tap.flush()
            self._writer.note(tap.spool, {"what": "handed_over", "samples": tap.recorder.samples})
            self._pump.detach(tap)
            del self._taps[tap.recorder.spec.id]
            self._leave_leg(tap)
        return here

    def gone(self, tap: RecordingTap) -> list[RecordingEvent]:
        """It is not ours any more; what it still had to tell."""
        told = self.settle()
        self._by_spool.pop(tap.spool, None)
        return told

    def take_in(self, recorder: Recorder, spool: SpoolHandle) -> RecordingTap:
        """Go on with a recording of another process. The caller attaches it, if it has begun."""
        tap = RecordingTap(recorder, spool, self._writer, self)
        tap.wants_audio = recorder.state in (State.RECORDING, State.MASKED)
        self._taps[recorder.spec.id] = tap
        self._legs.setdefault(recorder.leg, {})[recorder.spec.id] = tap
        self._by_spool[spool] = tap
        return tap

    @property
    def on_closed(self) -> Callable[[SpoolClosed], None]:
        """Who is told of closed spools."""
        return self._on_closed

    def _end(self, tap: RecordingTap, time: float, reason: str) -> list[RecordingEvent]:
        self._catch_up(tap)
        return self.ended(tap, tap.finish(time, reason))

    def ended(self, tap: RecordingTap, event: RecordingEvent) -> list[RecordingEvent]:
        """The tap has ended, by ``_end`` or by itself: nothing more is recorded."""
        del self._taps[tap.recorder.spec.id]
        self._leave_leg(tap)
        self._pump.detach(tap)
        self._writer.close_spool(tap.spool, event.time)
        return self._tell(tap, [event]) + self.settle()

    def _catch_up(self, tap: RecordingTap) -> None:
        """In live time it has not got all sound yet. It cannot end of that: the pump serves it at the latest
        where its ``horizon`` says that it may end.
        """
        said = self._pump.catch_up(tap)
        assert not said, said

    # ---- telling ------------------------------------------------------------------------------

    def settle(self) -> list[RecordingEvent]:
        """What the writer has found out since: events that waited for their spool, and failures."""
        self._writer.kick()
        told: list[RecordingEvent] = []
        news = self._writer.news
        while news:
            spool = news.popleft()
            tap = self._by_spool.get(spool)
            if tap is None:
                continue
            if spool.opened:  # else nothing has begun: only the failure is told
                told += tap.held
            tap.held.clear()
            if spool.failure is not None and tap.recorder.state is not State.FAILED:  # told once
                told.append(self._failed(tap))
            if spool.closed:
                del self._by_spool[spool]
        return told

    def _failed(self, tap: RecordingTap) -> RecordingEvent:
        assert tap.spool.failure is not None
        if self._taps.pop(tap.recorder.spec.id, None) is not None:
            self._leave_leg(tap)
            self._pump.detach(tap)
        return tap.fail(self._pump.now, tap.spool.failure.reason, tap.spool.failure.message)

    def _tell(self, tap: RecordingTap, events: list[RecordingEvent]) -> list[RecordingEvent]:
        """``events`` if they may be told now; else they are held until the spool is there (``settle``)."""
        if tap.spool.opened and not tap.held:
            return events
        tap.held += events
        return []

    def _of_leg(self, leg: str) -> list[RecordingTap]:
        return list(self._legs.get(leg, {}).values())

    def _leave_leg(self, tap: RecordingTap) -> None:
        here = self._legs[tap.recorder.leg]
        del here[tap.recorder.spec.id]
        if not here:
            del self._legs[tap.recorder.leg]


def _problem(spec: RecordingSpec) -> str:
    """Why there can be no such recording; empty: there can."""
    if not 1 <= len(spec.taps) <= MAX_CHANNELS:
        return f"a recording has 1 to {MAX_CHANNELS} channels, not {len(spec.taps)}"
    possible = spec.rate > 0 and spec.rate % TICKS_PER_S == 0
    return "" if possible else f"{spec.rate} samples a second cannot be recorded"
