"""Layer 1: how much of one sound is in another, and how much later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

LONGEST_S = 120.0
"""So much of each sound is compared."""
_LEAST_S = 0.5
_REACH_S = 0.03
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Match:
    """``value``: 0 nothing in common .. 1 the same, but for loudness; ``delay_s``: so much later it is heard
    (negative: earlier).
    """

    value: float
    delay_s: float


def compare(heard: Samples, said: Samples, rate: int) -> Match | None:
    """How much of ``said`` is in ``heard``, at the delay at which most is; at least half of the shorter one
    must overlap. None: one of them is silent or shorter than half a second.

    Where clocks differ a receiver leaves out a sample now and then, so each half second may have a delay of
    its own, a little beside the one of all.
    """
    most = round(LONGEST_S * rate)
    a, b = _centred(heard[:most]), _centred(said[:most])
    if min(len(a), len(b)) < round(_LEAST_S * rate) or not a.any() or not b.any():
        return None
    delay = _delay(a, b, round(_LEAST_S * rate))
    return Match(_common(a, b, delay, rate), delay / rate)


def _delay(a: _Floats, b: _Floats, shortest: int) -> int:
    """The delay of ``b`` in ``a`` with the best normalised cross-correlation."""
    least = max(shortest, min(len(a), len(b)) // 2)
    products = _products(a, b)
    delays = np.arange(-(len(b) - least), len(a) - least + 1)
    low, high = np.maximum(delays, 0), np.minimum(delays + len(b), len(a))
    of_a, of_b = _energies(a), _energies(b)
    energy = (of_a[high] - of_a[low]) * (of_b[high - delays] - of_b[low - delays])
    # A delay at which next to nothing sounds says nothing.
    floor = 1e-2 * of_a[-1] * of_b[-1]
    values = np.where(energy > floor, products[delays] / np.sqrt(np.maximum(energy, 1e-9)), 0.0)
    return int(delays[np.argmax(values)])


def _common(a: _Floats, b: _Floats, delay: int, rate: int) -> float:
    """The correlation of each half second of ``b``, weighed by how much sounds in it, on either side."""
    size, reach = round(_LEAST_S * rate), round(_REACH_S * rate)
    first, end = max(0, -delay), min(len(b), len(a) - delay)
    padded = np.pad(a, (reach, reach + size))
    total = weight = 0.0
    for start in range(first, end, size):
        part = b[start : min(start + size, end)]
        around = padded[start + delay : start + delay + len(part) + 2 * reach]
        sums = _energies(around)
        energies = sums[len(part) :] - sums[: -len(part)]
        own = float(np.dot(part, part))
        products = _products(around, part)[: len(energies)]
        best = float(np.max(products / np.sqrt(np.maximum(energies * own, 1e-9))))
        sounds = own + float(energies[reach])
        total += max(0.0, best) * sounds
        weight += sounds
    return min(1.0, total / weight) if weight else 0.0


def _products(a: _Floats, b: _Floats) -> _Floats:
    """The cross-correlation of two sounds by delay; negative delays count from the end."""
    size = 1 << (len(a) + len(b) - 1).bit_length()
    found: _Floats = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    return found


def _centred(samples: Samples) -> NDArray[np.float64]:
    found: NDArray[np.float64] = samples.astype(np.float64) - (samples.mean() if len(samples) else 0.0)
    found[samples == 0] = 0.0
    return found


def _energies(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The energy of the first n samples, for each n."""
    return np.concatenate(([0.0], np.cumsum(samples**2)))
