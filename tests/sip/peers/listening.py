"""What is to be heard in a recording or on a phone: which tones, how loud, from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

LOUD = 0.3
"""The amplitude of what phones say; 1 is full scale."""
FRAME_S = 0.02
"""Sound is measured in pieces of so long; tones of whole hundreds of Hertz are told apart in it."""
SKIPPED = 2
"""Pieces that a phone may leave out: on a busy machine its sound card is a packet late now and then."""


def write_tone(path: Path, hertz: int, *, rate: int = 8000, seconds: float = 40) -> Path:
    """A WAV file of one tone."""
    assert hertz % 100 == 0
    turns = np.arange(round(rate * seconds)) * (2 * np.pi * hertz / rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.round(np.sin(turns) * LOUD * 32767).astype(np.int16), rate)
    return path


def said(frames: NDArray[np.float64], hertz: float, rate: int) -> NDArray[np.float64]:
    """The amplitude of a tone in each row of ``frames``. Its phase may jump once in a row: the receiver
    leaves out or repeats samples where it follows the sender's clock, and nothing is missing then.
    """
    size = frames.shape[1]
    turned = frames * np.exp(-2j * np.pi * hertz * np.arange(size) / rate)
    before = np.cumsum(turned, axis=1)
    after = before[:, -1:] - before
    found: NDArray[np.float64] = 2 * (np.abs(before) + np.abs(after)).max(axis=1) / size
    return found


@dataclass(frozen=True)
class Track:
    """One channel of a file."""

    samples: NDArray[np.float64]
    rate: int
    name: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    def levels(self, hertz: int) -> NDArray[np.float64]:
        """The amplitude of a tone in each 20 ms."""
        frames = self._frames()
        turns = np.exp(-2j * np.pi * hertz * np.arange(frames.shape[1]) / self.rate)
        found: NDArray[np.float64] = 2 * np.abs(frames @ turns) / frames.shape[1]
        return found

    def _frames(self) -> NDArray[np.float64]:
        size = round(self.rate * FRAME_S)
        return self.samples[: len(self.samples) // size * size].reshape(-1, size)

    def span(self, hertz: int) -> tuple[float, float]:
        """When a tone is heard first and last, in seconds; it must be there."""
        there = np.flatnonzero(self.levels(hertz) > LOUD / 2)
        assert there.size, f"{self}: nothing of {hertz} Hz"
        return float(there[0] * FRAME_S), float((there[-1] + 1) * FRAME_S)

    def holes(self, hertz: int, start: float, end: float) -> list[float]:
        """The moments between ``start`` and ``end`` at which a tone is not as loud as it was said."""
        levels = said(self._frames(), hertz, self.rate)
        first, last = round(start / FRAME_S), min(round(end / FRAME_S), len(levels))
        bad = np.flatnonzero(np.abs(levels[first:last] / LOUD - 1) > 0.15) + first
        return [round(float(at * FRAME_S), 2) for at in bad]

    def assert_says(self, hertz: int, start: float, end: float) -> None:
        """It has the tone, as loud as it was said, without a hole between two moments (but ``SKIPPED``)."""
        assert self.seconds >= end - FRAME_S, f"{self} ends before {end:.2f}"
        holes = self.holes(hertz, start, end)
        assert len(holes) <= SKIPPED, f"{self}: not {hertz} Hz from {start:.2f} to {end:.2f}: {holes}"

    def assert_speaks(self, hertz: int, end: float) -> None:
        """It has the tone without a hole from when it is first heard to ``end``."""
        began = self.span(hertz)[0] + FRAME_S
        assert began < end - 0.1, f"{self}: {hertz} Hz only from {began:.2f} on"
        self.assert_says(hertz, began, end)

    def assert_quiet(self, start: float = 0.0, end: float | None = None) -> None:
        """Nothing is on it between two moments."""
        part = self.samples[round(start * self.rate) : None if end is None else round(end * self.rate)]
        loudest = float(np.abs(part).max(initial=0.0))
        assert loudest < 0.01, f"{self}: {loudest:.3f} between {start:.2f} and {end}"

    def assert_never(self, *hertz: int) -> None:
        """None of these tones is heard on it for as long as a tenth of a second."""
        for tone in hertz:
            count = int((self.levels(tone) > LOUD / 2).sum())
            assert count < 5, f"{self}: {tone} Hz for {count * FRAME_S:.2f} s"

    def __str__(self) -> str:
        return f"{self.name} ({self.seconds:.2f} s)"


def track(file: Path, channel: int = 0) -> Track:
    """A channel of a sound file."""
    samples, rate = soundfile.read(file, dtype="float64", always_2d=True)
    return Track(samples[:, channel], rate, f"{file.name}[{channel}]")


def sides(file: Path) -> tuple[Track, Track]:
    """Left and right of a stereo file: what the caller said, what the caller heard."""
    assert soundfile.info(file).channels == 2
    return track(file, 0), track(file, 1)


def heard_by(files: list[Path]) -> Track:
    """What a phone heard, in all, one file after the other."""
    tracks = [track(file) for file in files if soundfile.info(file).frames]
    assert tracks, "the phone heard nothing"
    assert len({one.rate for one in tracks}) == 1
    return Track(np.concatenate([one.samples for one in tracks]), tracks[0].rate, tracks[0].name)
