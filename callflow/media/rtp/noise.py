"""Layer 1: comfort noise (RFC 3389): noise at the level that the party's silence has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SECONDS = 1.7  # so that its repeating is not heard


def noise_level(payload: bytes) -> float:
    """RMS, in samples, of a comfort noise payload's first byte: 0..127 is -dBov (RFC 3389 3). dBov is over a
    square wave of full scale.
    """
    level = payload[0] & 127 if payload else 127
    return 0.0 if level == 127 else float(32767 * 10 ** (-level / 20))


class NoiseTable:
    """White noise of RMS 1, as pieces for many rows at once; each row is somewhere else in it."""

    def __init__(self, rate: int, longest: int) -> None:
        noise = np.random.default_rng(3389).standard_normal(round(_SECONDS * rate)).astype(np.float32)
        # Few samples are above three times the RMS; none above four, so that quiet noise has no clicks.
        self._noise = np.clip(np.concatenate([noise, noise[:longest]]), -4, 4)
        self._length = len(noise)

    def pieces(
        self, rows: NDArray[np.intp], place: NDArray[np.int64], n: int, levels: NDArray[np.float64]
    ) -> NDArray[np.int16]:
        """``[K, n]``: noise of ``levels`` (RMS), going on from piece to piece by ``place``."""
        pieces = np.lib.stride_tricks.sliding_window_view(self._noise, n)
        at = (place + rows * 1201) % self._length
        sound = pieces[at] * levels[:, None].astype(np.float32)
        noise: NDArray[np.int16] = np.clip(np.rint(sound), -32767, 32767).astype(np.int16)
        return noise
