"""A test bench: pump, recordings, state folder and finisher, which the tests of this folder drive by hand."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from callflow.media.clips import ClipLoader
from callflow.media.messages import AddLeg, LegCommand, PcmClip, PretendSource, Say, Side, TapPoint
from callflow.media.pump import Pump
from callflow.media.taps import Samples
from callflow.recording.finish import Finished, Finisher
from callflow.recording.host import RecordingHost
from callflow.recording.messages import (
    FileFormat,
    RecordingCommand,
    RecordingEvent,
    RecordingSpec,
    SpoolClosed,
    StartOn,
    StartRecording,
    StopRecording,
    Target,
)
from callflow.recording.writer import SpoolWriter
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import DeliveryRow, RecordingRow, find_recording, list_deliveries

WALL = 1_790_000_000.0  # 2026-09-21
WAV = FileFormat("wav", 0, 32, 5)


def stereo(leg: str) -> tuple[TapPoint, ...]:
    """What a leg's party says, and what it hears."""
    return (TapPoint(leg, Side.READ), TapPoint(leg, Side.WRITE))


def spec(id: str = "r1", leg: str = "a", **changes: object) -> RecordingSpec:
    """A recording of ``leg`` in stereo, at once, into a WAV of the local store; ``changes``: its fields."""
    plain = RecordingSpec(
        id=id,
        call_id="call-1",
        account_id="account",
        taps=stereo(leg),
        rate=8000,
        start=StartOn.NOW,
        time_limit_s=3600,
        min_s=0,
        silence=None,
        format=WAV,
        follow_transfer=True,
        target=Target("local"),
        origin="callflow : test",
        requested_wall=WALL,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def ramp(n: int, first: int = 1) -> Samples:
    """A sample counter: ``first``, ``first`` + 1 ... never 0, wrapping at 30000."""
    return ((np.arange(first - 1, first - 1 + n) % 30000) + 1).astype(np.int16)


class Bench:
    """``patient`` as in virtual time. ``events``: all that the host and the pump have said."""

    def __init__(self, root: Path, *, patient: bool = True, limit_bytes: int = 32 << 20) -> None:
        self.folder = StateFolder.open(root)
        self.database = Database.open(self.folder.database)
        self.finisher = Finisher(self.folder, self.database, wall=lambda: WALL + 100)
        self.pump = Pump(ClipLoader())
        self.writer = SpoolWriter(self.folder, patient=patient, limit_bytes=limit_bytes)
        self.closed: queue.SimpleQueue[SpoolClosed] = queue.SimpleQueue()
        self.host = RecordingHost(self.pump, self.writer, on_closed=self.closed.put)
        self.events: list[object] = []

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()
        self.database.close()

    # ---- driving ------------------------------------------------------------------------------

    def leg(self, name: str, pcm: Samples | None = None, rate: int = 8000) -> None:
        """Add a leg; its party says ``pcm`` from now on."""
        self.send(AddLeg(name, rate, PretendSource()))
        if pcm is not None:
            self.say(name, pcm, rate)

    def say(self, name: str, pcm: Samples, rate: int = 8000) -> None:
        """Let a party say ``pcm``."""
        self.send(Say(name, (PcmClip(pcm.tobytes(), rate),)))

    def send(self, *commands: LegCommand) -> None:
        """Tell the pump."""
        for command in commands:
            self.events += self.pump.command(command)

    def do(self, command: RecordingCommand) -> list[RecordingEvent]:
        """Tell the host."""
        events = self.host.command(command)
        self.events += events
        return events

    def start(
        self, what: RecordingSpec, *, answered: bool = True, bridged: bool = False
    ) -> list[RecordingEvent]:
        """Start a recording."""
        return self.do(StartRecording(what, answered=answered, bridged=bridged))

    def stop(self, id: str = "r1", reason: str = "stopped") -> list[RecordingEvent]:
        """Stop a recording."""
        return self.do(StopRecording(id, reason))

    def run(self, seconds: float, max_s: float = 0.5) -> None:
        """Let so much time pass."""
        until = round(self.pump.now + seconds, 6)
        while self.pump.now < until - 1e-9:
            _, events = self.pump.advance(until, max_s)
            self.events += [*events, *self.host.settle()]

    # ---- looking ------------------------------------------------------------------------------

    def changes(self, id: str = "r1") -> list[str]:
        """What happened to a recording."""
        return [event.change for event in self.of(id)]

    def of(self, id: str = "r1") -> list[RecordingEvent]:
        """The events of a recording."""
        return [event for event in self.events if isinstance(event, RecordingEvent) and event.id == id]

    def last(self, id: str = "r1") -> RecordingEvent:
        """Its last event."""
        return self.of(id)[-1]

    def finish(self) -> Finished:
        """Finish the next spool that was closed."""
        return self.finisher.finish(self.closed.get(timeout=10))

    def audio(self, finished: Finished) -> Samples:
        """The finished file, int16 ``[n, channels]``."""
        assert finished.file is not None, finished
        pcm, _ = soundfile.read(self.folder.root / finished.file, dtype="int16", always_2d=True)
        return np.asarray(pcm, np.int16)

    def stopped_audio(self, id: str = "r1") -> Samples:
        """Stop a recording, finish it, give its sound."""
        self.stop(id)
        return self.audio(self.finish())

    def row(self, id: str = "r1") -> RecordingRow | None:
        """Its row in the database."""
        return self.database.run(lambda conn: find_recording(conn, id))

    def deliveries(self) -> Sequence[DeliveryRow]:
        """The outbox."""
        return self.database.run(list_deliveries)


BenchMaker = Callable[..., Bench]
