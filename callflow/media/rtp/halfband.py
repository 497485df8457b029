"""Layer 1: 8 kHz from 16 kHz and back inside a leg: streaming, for many rows at once.

Half of a half-band filter's coefficients are zero, so one interpolator by half a sample does both: the rows'
samples times a band matrix. Flat to 3.4 kHz, images and aliases 60 dB down from 4.6 kHz on, 2 ms of delay.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from callflow.media.rtp.matrix import product
from callflow.media.taps import Samples

TAPS = 32
DELAY = TAPS // 2
"""Delay of ``Doubler`` in samples at 8 kHz; that of ``Halver`` is one less."""
_BETA = 6.0
_PIECE = 160  # samples at 8 kHz that are done at once: larger matrices are mostly zeros
_FIRST_ROWS = 8

_Floats = NDArray[np.float32]


def _taps() -> NDArray[np.float64]:
    at = np.arange(TAPS) - (TAPS - 1) / 2
    taps = np.sinc(at) * np.kaiser(TAPS, _BETA)
    whole: NDArray[np.float64] = taps / taps.sum()
    return whole


@lru_cache(maxsize=16)
def _band(n: int) -> _Floats:
    """``[TAPS - 1 + n, n]``: column k is the filter at k."""
    band = np.zeros((TAPS - 1 + n, n), np.float32)
    for k, column in enumerate(band.T):
        column[k : k + TAPS] = _taps()
    return band


class _History:
    """The last samples at 8 kHz of each row."""

    def __init__(self) -> None:
        self._last: _Floats = np.zeros((_FIRST_ROWS, TAPS), np.float32)

    def join(self, rows: NDArray[np.intp], sound: Samples) -> _Floats:
        """``[K, TAPS + n]``: what came before, then ``sound``; remembers the end."""
        if len(rows) and (most := int(rows.max())) >= len(self._last):
            more = np.zeros((max(most + 1, 2 * len(self._last)), TAPS), np.float32)
            more[: len(self._last)] = self._last
            self._last = more
        joined = np.concatenate([self._last[rows], sound], axis=1, dtype=np.float32)
        self._last[rows] = joined[:, -TAPS:]
        return joined

    def reset(self, row: int) -> None:
        if row < len(self._last):
            self._last[row] = 0


def _rounded(sound: NDArray[np.floating]) -> Samples:
    samples: Samples = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return samples


class Halver:
    """16 kHz to 8 kHz, streaming, for many rows at once: each row goes on from its last piece."""

    def __init__(self) -> None:
        self._even = _History()
        self._odd = _History()

    def __call__(self, rows: NDArray[np.intp], sound: Samples) -> Samples:
        """``sound`` int16 ``[K, 2 n]``, the next piece of each of ``rows``; gives int16 ``[K, n]``."""
        pieces = [
            self._piece(rows, sound[:, at : at + 2 * _PIECE]) for at in range(0, sound.shape[1], 2 * _PIECE)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def _piece(self, rows: NDArray[np.intp], sound: Samples) -> Samples:
        n = sound.shape[1] // 2
        even = self._even.join(rows, sound[:, 0::2])
        odd = self._odd.join(rows, sound[:, 1::2])
        # An even sample lies half way between the odd ones before and after it.
        between = product(odd[:, 1:], _band(n))
        return _rounded((even[:, DELAY + 1 : DELAY + 1 + n] + between) / 2)

    def reset(self, row: int) -> None:
        """The row begins anew."""
        self._even.reset(row)
        self._odd.reset(row)


class Doubler:
    """8 kHz to 16 kHz, streaming, for many rows at once."""

    def __init__(self) -> None:
        self._last = _History()

    def __call__(self, rows: NDArray[np.intp], sound: Samples) -> Samples:
        """``sound`` int16 ``[K, n]``, the next piece of each of ``rows``; gives int16 ``[K, 2 n]``."""
        out = np.empty((len(rows), 2 * sound.shape[1]), np.int16)
        for at in range(0, sound.shape[1], _PIECE):
            piece = sound[:, at : at + _PIECE]
            n = piece.shape[1]
            joined = self._last.join(rows, piece)
            out[:, 2 * at : 2 * (at + n) : 2] = joined[:, DELAY : DELAY + n]
            out[:, 2 * at + 1 : 2 * (at + n) : 2] = _rounded(product(joined[:, 1:], _band(n)))
        return out

    def reset(self, row: int) -> None:
        """The row begins anew."""
        self._last.reset(row)
