"""Layer 1: how much of one sound is in another, and how much later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from callflow.media.taps import Samples

LONGEST_S = 120.0
"""So much of each sound is compared."""
_LEAST_S = 0.5
_REACH_S = 0.12
_PIECE_S = 0.05
_PACE = 0.015  # of time, by which the delay of one piece may differ from the last one's: a row slips 0.0125
_JUMP_PIECES = 2.0  # a jump must be worth so many pieces that fit
_AT_ONCE = 256
_SURE = 0.5  # less than that may be there at a delay that changes all the time
_PARTS, _PART_S = 16, 0.2
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

    Where clocks differ, or a receiver waits longer than it must since one of the two stood still, it leaves
    out samples now and then, and more in a silence: so the delay may change on the way, beside the one of
    all, as fast as that (``rtp/drift.py``), and seldom jump.
    """
    most = round(LONGEST_S * rate)
    a, b = _centred(heard[:most]), _centred(said[:most])
    if min(len(a), len(b)) < round(_LEAST_S * rate) or not a.any() or not b.any():
        return None
    delays = _delays(a, b, round(_LEAST_S * rate))
    delay = _delay(a, b, delays)
    found = Match(_common(a, b, delay, rate), delay / rate)
    if found.value < _SURE:
        delay = _delay_of_most(a, b, delays, rate)
        other = Match(_common(a, b, delay, rate), delay / rate)
        return max(found, other, key=lambda match: match.value)
    return found


def _delays(a: _Floats, b: _Floats, shortest: int) -> NDArray[np.int64]:
    """Those at which enough of both overlaps."""
    least = max(shortest, min(len(a), len(b)) // 2)
    return np.arange(-(len(b) - least), len(a) - least + 1)


def _delay(a: _Floats, b: _Floats, delays: NDArray[np.int64]) -> int:
    """The delay of ``b`` in ``a`` with the best normalised cross-correlation."""
    products = _products(a, b)
    low, high = np.maximum(delays, 0), np.minimum(delays + len(b), len(a))
    of_a, of_b = _energies(a), _energies(b)
    energy = (of_a[high] - of_a[low]) * (of_b[high - delays] - of_b[low - delays])
    # A delay at which next to nothing sounds says nothing.
    floor = 1e-2 * of_a[-1] * of_b[-1]
    values = np.where(energy > floor, products[delays] / np.sqrt(np.maximum(energy, 1e-9)), 0.0)
    return int(delays[np.argmax(values)])


def _delay_of_most(a: _Floats, b: _Floats, delays: NDArray[np.int64], rate: int) -> int:
    """The delay near which most pieces of ``b`` are found in ``a``, each by itself: where the delay changes
    all the time, no single one fits all of it.
    """
    size, reach = round(_PART_S * rate), round(_REACH_S * rate)
    starts = np.arange(0, len(b) - size + 1, size)
    loud = (b[: len(starts) * size].reshape(-1, size) ** 2).sum(axis=1)
    starts = starts[np.argsort(-loud, kind="stable")[: min(_PARTS, np.count_nonzero(loud))]]
    sums, n = _energies(a), _fft_size(a, b)
    ahead = np.fft.rfft(a, n)
    floor = 1e-4 * (sums[size:] - sums[:-size]).max()
    width = reach // 4
    bins = -(-len(delays) // width)
    near = np.zeros(bins + 1)
    for start in starts.tolist():
        part = b[start : start + size]
        low, high = (np.clip(start + delays + end, 0, len(a)) for end in (0, size))
        energies = np.maximum(sums[high] - sums[low], floor) * np.dot(part, part)
        products = np.fft.irfft(ahead * np.conj(np.fft.rfft(part, n)), n)
        found = products[start + delays] / np.sqrt(energies)
        best = np.pad(found, (0, bins * width - len(found))).reshape(-1, width).max(axis=1)
        near += sliding_window_view(np.pad(best, 4), 8).max(axis=1)  # within reach of each border of bins
    first = int(near.argmax())
    same = np.flatnonzero(near[first : first + 8] >= near[first] * (1 - 1e-9))
    middle = (first + same.max() / 2) * width
    return int(delays[min(round(middle), len(delays) - 1)])


def _common(a: _Floats, b: _Floats, delay: int, rate: int) -> float:
    """The correlation of the pieces of ``b``, weighed by how much sounds in each, on either side, along the
    way of their delays on which it is highest.
    """
    size, reach = round(_PIECE_S * rate), round(_REACH_S * rate)
    first, end = max(0, -delay), min(len(b), len(a) - delay)
    count = (end - first) // size
    parts = b[first : first + count * size].reshape(count, size)
    padded = np.pad(a, (reach, reach + size))[first + delay :]
    around = sliding_window_view(padded, size + 2 * reach)[::size][:count]
    own = (parts**2).sum(axis=1)
    weights = own + (around[:, reach : reach + size] ** 2).sum(axis=1)
    whole = float(weights.sum())
    if not whole:
        return 0.0
    near = round(_PACE * size)
    jump = _JUMP_PIECES * whole / count
    score, total = np.zeros(2 * reach + 1), np.zeros(2 * reach + 1)
    for alike, weight in zip(_alike(parts, around, own), weights, strict=True):
        before = np.pad(score, near, constant_values=-np.inf)
        way = sliding_window_view(before, 2 * near + 1).argmax(axis=1) + np.arange(len(score)) - near
        way = np.where(score[way] < score.max() - jump, score.argmax(), way)
        gain = weight * np.maximum(alike, 0.0)
        score = np.maximum(score[way], score.max() - jump) + gain
        total = total[way] + gain
    return min(1.0, float(total[score.argmax()]) / whole)


def _alike(parts: _Floats, around: _Floats, own: _Floats) -> Iterator[_Floats]:
    """Of each part its correlation with what is around it, at every delay that is within reach."""
    size, lags = parts.shape[1], around.shape[1] - parts.shape[1] + 1
    for at in range(0, len(parts), _AT_ONCE):
        some, there = parts[at : at + _AT_ONCE], around[at : at + _AT_ONCE]
        n = 1 << (around.shape[1] - 1).bit_length()
        products = np.fft.irfft(np.fft.rfft(there, n) * np.conj(np.fft.rfft(some, n)), n)[:, :lags]
        sums = np.pad(np.cumsum(there**2, axis=1), ((0, 0), (1, 0)))
        energies = (sums[:, size:] - sums[:, :-size]) * own[at : at + _AT_ONCE, None]
        yield from products / np.sqrt(np.maximum(energies, 1e-9))


def _products(a: _Floats, b: _Floats) -> _Floats:
    """The cross-correlation of two sounds by delay; negative delays count from the end."""
    size = _fft_size(a, b)
    found: _Floats = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    return found


def _fft_size(a: _Floats, b: _Floats) -> int:
    return 1 << (len(a) + len(b) - 1).bit_length()


def _centred(samples: Samples) -> NDArray[np.float64]:
    found: NDArray[np.float64] = samples.astype(np.float64) - (samples.mean() if len(samples) else 0.0)
    found[samples == 0] = 0.0
    return found


def _energies(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The energy of the first n samples, for each n."""
    return np.concatenate(([0.0], np.cumsum(samples**2)))
