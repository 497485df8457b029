"""Layer 6: a recording of a call as a test sees it: its facts, its file, what is on each side of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from callflow.events import Event, RecordingChanged
from callflow.testing.tracks import Track, tracks_of

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours


@dataclass(frozen=True)
class Recording:
    """``number``: its place among the recordings of its call, from 1. ``state``: ``WAITING``, ``RECORDING``,
    ``MASKED``, ``PAUSED``, ``FINISHING``, ``READY``, ``DISCARDED``, ``CANCELLED`` or ``FAILED``. ``reason``:
    why it ended. ``seconds``: its length once it is finished. ``url``: where it goes, without secrets.
    """

    number: int
    id: str
    origin: str
    format: str
    state: str
    reason: str
    seconds: float
    url: str | None
    sha256: str | None
    path: Path | None

    @property
    def file(self) -> Path:
        """The finished file. Raises AssertionError if there is none (yet)."""
        if self.path is None:
            raise AssertionError(f"recording {self.number} has no file: it is {self._stands}")
        if not self.path.is_file():
            raise AssertionError(
                f"recording {self.number}: its file is gone, it was delivered "
                "(delivery.keep_delivered: true keeps it)"
            )
        return self.path

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """Its channels, in the order of the file."""
        return tuple(tracks_of(self.file, f"recording {self.number}"))

    @property
    def channels(self) -> int:
        """1: mono; 2: what the caller says, what the caller hears."""
        return len(self.tracks)

    @property
    def rate(self) -> int:
        """Samples per second of the file."""
        return self.tracks[0].rate

    @property
    def left(self) -> Track:
        """What the caller says. Raises AssertionError of a recording that is not stereo."""
        return self._side(0)

    @property
    def right(self) -> Track:
        """What the caller hears. Raises AssertionError of a recording that is not stereo."""
        return self._side(1)

    @property
    def mono(self) -> Track:
        """The only channel. Raises AssertionError of a recording that has more."""
        if self.channels != 1:
            raise AssertionError(f"recording {self.number} has {self.channels} channels: take left or right")
        return self.tracks[0]

    def _side(self, index: int) -> Track:
        if self.channels != 2:
            raise AssertionError(
                f"recording {self.number} has {self.channels} channel(s), no left and right "
                "(media.record_stereo): take mono"
            )
        return self.tracks[index]

    @property
    def _stands(self) -> str:
        return f"{self.state} ({self.reason})" if self.reason else self.state


def recordings_of(events: Iterable[Event], state: Path) -> list[Recording]:
    """The recordings that these events tell of, in the order of their starts, as they stand now."""
    last: dict[str, RecordingChanged] = {}
    for event in events:
        if isinstance(event, RecordingChanged):
            last[event.recording_id] = event
    return [
        Recording(
            number=number,
            id=event.recording_id,
            origin=event.origin,
            format=event.format,
            state=event.state,
            reason=event.reason,
            seconds=event.seconds,
            url=event.url,
            sha256=event.sha256,
            path=None if event.file is None else state / event.file,
        )
        for number, event in enumerate(last.values(), 1)
    ]
