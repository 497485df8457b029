"""Layer 2: one recording as the pump sees it: a tap that counts, gathers and hands over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from callflow.media.messages import TapPoint
from callflow.media.mixing import interleave
from callflow.media.taps import Samples
from callflow.recording.crashpoints import crash_point
from callflow.recording.messages import RecordingEvent
from callflow.recording.recorder import Recorder, State, Step
from callflow.recording.writer import SpoolHandle, SpoolWriter

FLUSH_S = 0.5
"""At least so often (of recorded time) samples leave for the writer; half of it leaves at once."""


class Owner(Protocol):
    """Who is told that a recording has ended by itself."""

    def ended(self, tap: RecordingTap, event: RecordingEvent) -> list[RecordingEvent]: ...


class RecordingTap:
    """A ``callflow.media.taps.Tap``. Short blocks are gathered, to half a second at most, and handed to the
    writer: files are not written a tick at a time.
    """

    __slots__ = (
        "_buffer",
        "_cap",
        "_filled",
        "_owner",
        "_writer",
        "held",
        "recorder",
        "spool",
        "wants_audio",
    )

    def __init__(self, recorder: Recorder, spool: SpoolHandle, writer: SpoolWriter, owner: Owner) -> None:
        self.recorder = recorder
        self.spool = spool
        self.wants_audio = False
        self.held: list[RecordingEvent] = []  # events that wait for the spool to be on disk
        self._writer = writer
        self._owner = owner
        self._cap = max(1, int(recorder.spec.rate * FLUSH_S))
        self._buffer: Samples | None = None
        self._filled = 0

    @property
    def points(self) -> tuple[TapPoint, ...]:
        return self.recorder.points

    @property
    def rate(self) -> int:
        return self.recorder.spec.rate

    def horizon(self, block: Samples) -> int:
        return self.recorder.horizon(block.shape[1])

    def commit(self, block: Samples, time: float) -> list[object]:
        crash_point("in-tick")
        if not self.wants_audio:  # ended or failed by what another tap said of this very block
            return []
        recorder = self.recorder
        before = recorder.samples
        taken, reason = recorder.take(block)
        self._keep(block if taken == block.shape[1] else block[:, :taken], before)
        if not reason:
            return []
        return [*self._owner.ended(self, self.finish(time + taken / self.rate, reason))]

    def step(self, step: Step, time: float, reason: str = "", message: str = "") -> RecordingEvent:
        """Take a step (raises StateError) and write it into the journal."""
        event = self.recorder.apply(step, time, reason, message)
        self._noted(event)
        return event

    def move(self, points: tuple[TapPoint, ...], time: float, leg: str | None = None) -> RecordingEvent:
        """Listen elsewhere from now on (raises StateError)."""
        event = self.recorder.move(points, time, leg)
        self._noted(event, {"taps": [_words(point) for point in points]})
        return event

    def finish(self, time: float, reason: str) -> RecordingEvent:
        """End it: all samples leave for the writer, then the line that says so."""
        self.flush()
        return self.step(Step.END, time, reason)

    def fail(self, time: float, reason: str, message: str) -> RecordingEvent:
        """Its spool cannot be written: no more sound is taken."""
        self._buffer, self._filled = None, 0
        event = self.recorder.apply(Step.FAIL, time, reason, message)
        self.wants_audio = False
        return event

    def flush(self) -> None:
        """Hand over what is gathered."""
        if self._filled:
            assert self._buffer is not None
            full = self._filled == self._cap
            frames = self._buffer if full else self._buffer[: self._filled]
            at = self.recorder.samples - self._filled
            self._buffer, self._filled = None, 0
            self._writer.append(self.spool, frames, at)

    def _noted(self, event: RecordingEvent, more: Mapping[str, object] | None = None) -> None:
        self.wants_audio = self.recorder.state in (State.RECORDING, State.MASKED)
        line = {"what": event.change, "time": event.time, "samples": event.samples, **(more or {})}
        if event.reason:
            line["reason"] = event.reason
        if event.message:
            line["message"] = event.message
        self._writer.note(self.spool, line)

    def _keep(self, block: Samples, at: int) -> None:
        """Interleave into the buffer; ``at``: the block's first sample."""
        silent = self.recorder.state is State.MASKED
        n = block.shape[1]
        start = 0
        while start < n:
            if self._buffer is None:
                self._buffer = self._writer.buffer(self._cap, block.shape[0])
            end = min(n, start + self._cap - self._filled)
            piece = self._buffer[self._filled : self._filled + end - start]
            if silent:
                piece[:] = 0
            else:
                interleave(block[:, start:end], piece)
            self._filled += end - start
            start = end
            if 2 * self._filled >= self._cap:
                frames = self._buffer if self._filled == self._cap else self._buffer[: self._filled]
                at_first, self._buffer, self._filled = at + start - self._filled, None, 0
                self._writer.append(self.spool, frames, at_first)


def _words(point: TapPoint) -> list[str]:
    """A channel in the journal: leg and side of each place that is heard on it."""
    return [word for place in point.places for word in (place.leg, str(place.side))]
