"""Layer 2: the recordings of all media processes, as far as their events tell: for lists, and for a death."""

from __future__ import annotations

from dataclasses import dataclass

from callflow.recording.host import RecordingView
from callflow.recording.messages import RecordingEvent, StartRecording
from callflow.recording.recorder import OPEN, State

_COUNTING = frozenset({str(State.RECORDING), str(State.MASKED)})


@dataclass(slots=True)
class _Seen:
    call_id: str
    rate: int
    origin: str
    state: str
    time: float = 0.0
    samples: int = 0
    over: bool = False

    def seconds(self, time: float) -> float:
        """Of its file, at engine time ``time``."""
        counted = self.samples / self.rate
        return counted + max(0.0, time - self.time) if self.state in _COUNTING else counted


class Views:
    """What was last heard of each recording that is not closed yet."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def asked(self, start: StartRecording) -> None:
        """It is asked for. (An id in use will be refused; nothing changes then.)"""
        spec = start.spec
        if spec.id not in self._seen:
            self._seen[spec.id] = _Seen(spec.call_id, spec.rate, spec.origin, str(State.WAITING))

    def heard(self, event: RecordingEvent) -> None:
        """Its recorder has said something."""
        seen = self._seen.get(event.id)
        if seen is None:
            return
        if event.change == "refused" and not event.state:  # it never was, or is another's
            return
        seen.state, seen.time, seen.samples = event.state, event.time, event.samples
        seen.over = seen.state not in OPEN

    def closed(self, recording_id: str) -> None:
        """Its spool is closed."""
        self._seen.pop(recording_id, None)

    def now(self, time: float) -> tuple[RecordingView, ...]:
        """Those that wait or run at engine time ``time``, the first asked for first."""
        return tuple(
            RecordingView(name, seen.call_id, seen.state, seen.seconds(time), seen.origin)
            for name, seen in self._seen.items()
            if not seen.over
        )

    def died(self, recording_id: str, time: float) -> RecordingEvent | None:
        """Its worker is dead: the end that the recorder could not tell any more; None: it had."""
        seen = self._seen.get(recording_id)
        if seen is None or seen.over:
            return None
        samples = round(seen.seconds(time) * seen.rate)
        message = "its media process has died: what is on disk of it is kept"
        return RecordingEvent(recording_id, "finishing", "FINISHING", time, samples, "recovered", message)
