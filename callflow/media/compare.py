"""Layer 1: how much of one sound is in another, and how much later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

LONGEST_S = 120.0
"""So much of each sound is compared."""
_LEAST_S = 0.5


@dataclass(frozen=True, slots=True)
class Match:
    """``value``: 0 nothing in common .. 1 the same, but for loudness; ``delay_s``: so much later it is heard
    (negative: earlier).
    """

    value: float
    delay_s: float


def compare(heard: Samples, said: Samples, rate: int) -> Match | None:
    """The best normalised cross-correlation of ``heard`` with ``said``, over all delays at which at least
    half of the shorter one overlaps. None: one of them is silent or shorter than half a second.
    """
    most = round(LONGEST_S * rate)
    a, b = _centred(heard[:most]), _centred(said[:most])
    least = max(round(_LEAST_S * rate), min(len(a), len(b)) // 2)
    if min(len(a), len(b)) < round(_LEAST_S * rate) or not a.any() or not b.any():
        return None
    size = 1 << (len(a) + len(b) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    delays = np.arange(-(len(b) - least), len(a) - least + 1)
    low, high = np.maximum(delays, 0), np.minimum(delays + len(b), len(a))
    of_a, of_b = _energies(a), _energies(b)
    energy = (of_a[high] - of_a[low]) * (of_b[high - delays] - of_b[low - delays])
    # A delay at which next to nothing sounds says nothing.
    floor = 1e-2 * of_a[-1] * of_b[-1]
    values = np.where(energy > floor, products[delays] / np.sqrt(np.maximum(energy, 1e-9)), 0.0)
    best = int(np.argmax(values))
    return Match(min(1.0, max(0.0, float(values[best]))), float(delays[best]) / rate)


def _centred(samples: Samples) -> NDArray[np.float64]:
    found: NDArray[np.float64] = samples.astype(np.float64) - (samples.mean() if len(samples) else 0.0)
    found[samples == 0] = 0.0
    return found


def _energies(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The energy of the first n samples, for each n."""
    return np.concatenate(([0.0], np.cumsum(samples**2)))
