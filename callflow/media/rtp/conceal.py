"""Layer 1: what is played where a packet is missing, in the spirit of ITU-T G.711 Appendix I.

The last pitch period goes on, from 10 ms on ever quieter, silent at 60 ms; what comes back is faded in over
what would have gone on. Unlike the appendix nothing is delayed: where the last period does not meet the last
sample, the step is spread over the next milliseconds. Exactly as long as the hole, whatever its length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

HISTORY_MS = 45
"""How much of the sound before is looked at."""
_STEADY_MS = 10  # at full level
_SILENT_MS = 60  # then nothing is left
_QUICK_MS = 6  # the same where it is known that the party is silent
_PITCH_MS = (2.5, 15.0)
_MEND_MS = 3
_JOIN_MS = 4  # of fading in, and as much for each 10 ms of hole, up to:
_LONGEST_JOIN_MS = 10

_Floats = NDArray[np.float64]


def _pitch(past: _Floats, rate: int) -> int:
    """The lag, in samples, at which the end of ``past`` is most like itself."""
    shortest, longest = (round(ms * rate / 1000) for ms in _PITCH_MS)
    window = min(round(rate / 50), len(past) - longest)
    recent = past[-window:]
    before = past[len(past) - window - longest : len(past) - shortest]
    summed = np.concatenate([[0.0], np.cumsum(before * before)])
    energy = np.sqrt(np.maximum(summed[window:] - summed[:-window], 0.0)) + 1.0
    likeness = np.correlate(before, recent, "valid") / energy
    # Of lags that are nearly as good the shortest: several periods sound more like an echo.
    good = np.flatnonzero(likeness >= 0.995 * likeness.max())
    best = int(good[-1])
    while best > 0 and likeness[best - 1] > likeness[best]:
        best -= 1
    while best + 1 < len(likeness) and likeness[best + 1] > likeness[best]:
        best += 1
    return longest - best


class Concealment:
    """One hole of one row: made at its first sample, asked for its samples, then joins what comes after."""

    def __init__(self, past: Samples, rate: int, *, quick: bool = False) -> None:
        """``past``: the last ``HISTORY_MS`` that was played. ``quick``: the party is known to be silent."""
        self.quick = quick
        self._rate = rate
        self._made = 0
        self._joined = 0
        self._steady = 0 if quick else _STEADY_MS * rate // 1000
        self._end = (_QUICK_MS if quick else _SILENT_MS) * rate // 1000
        sound = past.astype(np.float64)
        self._period = sound[-_pitch(sound, rate) :] if past.any() else np.zeros(1)
        # The step from the last sample to the period's begin, which follows a sample that is not the last.
        lag = len(self._period)
        self._step = float(sound[-1] - sound[-1 - lag]) if lag > 1 else 0.0

    @property
    def silent(self) -> bool:
        """Nothing is left of it."""
        return self._made >= self._end

    @property
    def joining(self) -> bool:
        """It has begun to be left."""
        return self._joined > 0

    def go_on(self, n: int) -> _Floats:
        """The hole's next ``n`` samples."""
        at = np.arange(self._made, self._made + n)
        self._made += n
        sound = self._period[at % len(self._period)]
        if self._step:
            sound = sound + self._step * np.maximum(0.0, 1 - (at + 1) / (_MEND_MS * self._rate / 1000))
        if self._made <= self._steady:
            return sound
        level = np.minimum(1.0, (self._end - at) / (self._end - self._steady))
        return sound * np.maximum(level, 0.0, out=level)

    def join(self, sound: Samples) -> bool:
        """``sound`` comes after the hole: fade it in, in place; True when that is done."""
        if self._joined == 0:
            ms = _JOIN_MS + _JOIN_MS * self._made * 100 / self._rate
            self._length = round(min(ms, _LONGEST_JOIN_MS) * self._rate / 1000)
        n = min(len(sound), self._length - self._joined)
        weight = (np.arange(self._joined, self._joined + n) + 1) / (self._length + 1)
        sound[:n] = np.rint(sound[:n] * weight + self.go_on(n) * (1 - weight))
        self._joined += n
        return self._joined >= self._length
