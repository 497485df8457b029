"""Layer 1: DTMF heard in the sound of many rows (ITU-T Q.23, Q.24), for legs without telephone-events.

Every 10 ms the last 20 ms of all rows are correlated with the eight frequencies and their neighbours. A digit
is two frequencies, one of each group, that are nearly all of the sound, for two looks in a row: so 40 ms of
tone are always enough, and speech, which has more in it, is not taken for one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.rtp.matrix import product
from callflow.media.taps import Samples
from callflow.media.tones import DTMF_HZ

_LOOKS_PER_S = 100
_SPREAD = (-0.012, 0.0, 0.012)  # phones may be 1.5 % off (Q.24: 1.8 % is the receivers' limit)
_LEAST = 200.0  # amplitude of each tone; -41 dBm0
_SHARE = 0.8  # of the power that is in the two tones
_TWIST = (10**-0.9, 10**0.6)  # power of the high tone over the low one: -9 to 6 dB
_ALONE = 10**0.5  # power over that of the next best of the group
_HITS = 2
_MISSES = 2
_FIRST_ROWS = 16
_DIGITS = {pair: digit for digit, pair in DTMF_HZ.items()}
_LOW = sorted({low for low, _ in _DIGITS})
_HIGH = sorted({high for _, high in _DIGITS})
_NAMES = [_DIGITS[low, high] for low in _LOW for high in _HIGH]

_Rows = NDArray[np.intp]


class DtmfDetector:
    """Fed with what rows say; tells each digit once."""

    def __init__(self, rate: int) -> None:
        self._hop = rate // _LOOKS_PER_S
        time = np.arange(2 * self._hop) / rate
        tuned = np.array([hertz * (1 + off) for off in _SPREAD for hertz in (*_LOW, *_HIGH)])
        angle = 2 * np.pi * np.outer(time, tuned)
        # [2 hops, 48]: cosines, then sines; scaled so that a sine of amplitude 1 gives a power of 1.
        waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
        self._waves = (waves / self._hop).astype(np.float32)
        self._last: NDArray[np.float32] = np.zeros((_FIRST_ROWS, self._hop), np.float32)
        self._next: NDArray[np.int64] = np.full(_FIRST_ROWS, -1, np.int64)  # sample that continues a row
        self._digit: NDArray[np.int64] = np.full(_FIRST_ROWS, -1, np.int64)
        self._hits: NDArray[np.int64] = np.zeros(_FIRST_ROWS, np.int64)
        self._misses: NDArray[np.int64] = np.zeros(_FIRST_ROWS, np.int64)
        self._begin: NDArray[np.int64] = np.zeros(_FIRST_ROWS, np.int64)

    def take(self, rows: _Rows, sound: Samples, start: int) -> list[tuple[int, str, int]]:
        """``sound`` (``[K, n]``, n a whole number of 10 ms) is what each of ``rows`` says from sample
        ``start`` on; gives the digits that were found: row, digit and the sample of its begin (to 10 ms).
        """
        if len(rows) and (most := int(rows.max())) >= len(self._next):
            self._grow(max(most + 1, 2 * len(self._next)))
        fresh = rows[self._next[rows] != start]
        self._last[fresh] = 0
        self._digit[fresh] = -1
        found = []
        for at in range(0, sound.shape[1] - self._hop + 1, self._hop):
            now = sound[:, at : at + self._hop].astype(np.float32)
            both = np.concatenate([self._last[rows], now], axis=1)
            self._last[rows] = now
            found += self._follow(rows, self._look(both), start + at - self._hop)
        self._next[rows] = start + sound.shape[1]
        return found

    def _look(self, sound: NDArray[np.float32]) -> NDArray[np.int64]:
        """The digit (its number) that each row's 20 ms are; -1: none."""
        total = 2 * np.einsum("ij,ij->i", sound, sound) / sound.shape[1]  # a sine of amplitude 1 gives 1
        loud = np.flatnonzero(total >= 2 * _LEAST**2 * _SHARE)
        digits = np.full(len(sound), -1, np.int64)
        if not len(loud):
            return digits
        parts = product(sound[loud], self._waves)
        half = parts.shape[1] // 2
        power = parts[:, :half] ** 2 + parts[:, half:] ** 2
        # Of each frequency the best neighbour; most sound is told from digits by its share alone.
        best = np.maximum(np.maximum(power[:, :8], power[:, 8:16]), power[:, 16:])
        low, high = best[:, :4].max(axis=1), best[:, 4:].max(axis=1)
        pure = low + high >= _SHARE * total[loud]
        pure &= (high >= _TWIST[0] * low) & (high <= _TWIST[1] * low) & (np.minimum(low, high) >= _LEAST**2)
        maybe = np.flatnonzero(pure)
        if len(maybe):
            groups = best[maybe].reshape(-1, 2, 4)
            order = np.sort(groups, axis=2)
            alone = (order[:, :, 3] >= _ALONE * order[:, :, 2]).all(axis=1)
            which = groups.argmax(axis=2)
            digits[loud[maybe]] = np.where(alone, which[:, 0] * 4 + which[:, 1], -1)
        return digits

    def _follow(self, rows: _Rows, digits: NDArray[np.int64], begin: int) -> list[tuple[int, str, int]]:
        """One more look, at the sound from sample ``begin`` on."""
        hit = digits >= 0
        same = hit & (digits == self._digit[rows])
        new = hit & ~same
        self._hits[rows[same]] += 1
        self._hits[rows[new]] = 1
        self._begin[rows[new]] = begin
        self._digit[rows[new]] = digits[new]
        self._misses[rows[hit]] = 0
        missed = rows[~hit]
        self._misses[missed] += 1
        over = missed[(self._misses[missed] >= _MISSES) | (self._hits[missed] < _HITS)]
        self._digit[over] = -1
        told = rows[same & (self._hits[rows] == _HITS)]
        return [(row, _NAMES[self._digit[row]], int(self._begin[row])) for row in told.tolist()]

    def forget(self, row: int) -> None:
        """The row begins anew."""
        if row < len(self._next):
            self._next[row] = -1

    def _grow(self, rows: int) -> None:
        more = rows - len(self._next)
        self._last = np.concatenate([self._last, np.zeros((more, self._hop), np.float32)])
        self._next = np.concatenate([self._next, np.full(more, -1, np.int64)])
        self._digit = np.concatenate([self._digit, np.full(more, -1, np.int64)])
        self._hits = np.concatenate([self._hits, np.zeros(more, np.int64)])
        self._misses = np.concatenate([self._misses, np.zeros(more, np.int64)])
        self._begin = np.concatenate([self._begin, np.zeros(more, np.int64)])
