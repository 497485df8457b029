"""Layer 6: one channel of a recording as samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from callflow.errors import AudioFileError
from callflow.media.taps import Samples

SILENT = 30.0
"""A mean absolute sample below this is silence to the ear."""


@dataclass(frozen=True, slots=True)
class Track:
    """``samples``: mono, int16, at ``rate`` Hz. ``name``: as failures name it (``left of recording 1``)."""

    samples: Samples = field(repr=False)
    rate: int
    name: str = "track"

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    def between(self, begin: float, end: float) -> Track:
        """The part between two moments, in seconds."""
        part = self.samples[round(begin * self.rate) : round(end * self.rate)]
        return Track(part, self.rate, f"{self.name}, {begin:g} to {end:g} s")

    @property
    def loudness(self) -> float:
        """The mean absolute sample, 0 to 32767."""
        return float(np.abs(self.samples.astype(np.int64)).mean()) if len(self.samples) else 0.0

    @property
    def silent(self) -> bool:
        """There is nothing to hear."""
        return self.loudness < SILENT

    def tone(self, hertz: float) -> float:
        """How much of one frequency there is: 1 is a sine at full scale."""
        if not len(self.samples):
            return 0.0
        wave = np.exp(-2j * np.pi * hertz * np.arange(len(self.samples)) / self.rate)
        return float(abs(np.vdot(wave, self.samples.astype(np.float64))) * 2 / len(self.samples) / 32767)


def tracks_of(file: Path, name: str) -> list[Track]:
    """The channels of an audio file. Raises AudioFileError."""
    try:
        samples, rate = soundfile.read(file, dtype="int16", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioFileError(f"{name}: {file.name} cannot be read: {error}") from None
    sides = ("left of ", "right of ") if samples.shape[1] == 2 else ("",) * samples.shape[1]
    return [
        Track(np.ascontiguousarray(samples[:, index]), rate, f"{side}{name}")
        for index, side in enumerate(sides)
    ]
