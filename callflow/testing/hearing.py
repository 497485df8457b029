"""Layer 6: whether one sound is heard in another, where it is best aligned, where the two differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples
from callflow.testing.tracks import SILENT

PART_S = 0.25
"""So long are the parts that are compared one by one."""
_WINDOW_S = 10.0
_CHUNK = 1 << 20
_ALIKE = 1e-4
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the wanted sound, in its seconds. ``match``: 0 (something else) to 1 (the same, but for
    loudness). ``why``: in words.
    """

    begin: float
    end: float
    match: float
    why: str


@dataclass(frozen=True, slots=True)
class Heard:
    """``match``: 0 to 1, over the whole of the wanted sound, by how much sounds where. ``at``: the second of
    the heard sound at which the wanted one begins (negative: its beginning is cut off). ``differs``: the
    stretches that are not the same, neighbours put together.
    """

    match: float
    at: float
    differs: tuple[Stretch, ...]


def hear(heard: Samples, wanted: Samples, rate: int, *, least: float = 0.9) -> Heard:
    """Look for ``wanted`` in ``heard``, both at ``rate``; stretches that match less than ``least`` differ."""
    a, b = heard.astype(np.float64), wanted.astype(np.float64)
    best = Heard(0.0, 0.0, ())
    for offset, window in _windows(b, rate):
        found = _find(a, window)
        if found is None:
            continue
        judged = _judge(a, b, found - offset, rate, least)
        if judged.match > best.match:
            best = judged
        if best.match > least and not best.differs:
            break
    return best if best.match else _judge(a, b, 0, rate, least)


def _windows(b: _Floats, rate: int) -> Iterator[tuple[int, _Floats]]:
    """Parts of the wanted sound by which it is looked for: all of it if it is short, then its first, loudest
    and last stretches (a sound whose beginning or end is cut off is found by the other).
    """
    size = round(_WINDOW_S * rate)
    if len(b) <= size:
        yield 0, b
    sounding = np.flatnonzero(np.abs(b) > SILENT)
    if not len(sounding):
        return
    size = min(size, max(rate, len(b) // 4))
    energy = np.concatenate(([0.0], np.cumsum(b**2)))
    starts = np.arange(0, max(1, len(b) - size + 1), max(1, rate // 10))
    loudest = int(starts[np.argmax(energy[np.minimum(starts + size, len(b))] - energy[starts])])
    first = int(sounding[0])
    last = max(0, int(sounding[-1]) + 1 - size)
    for start in dict.fromkeys((first, loudest, last)):
        yield start, b[start : start + size]


def _find(a: _Floats, window: _Floats) -> int | None:
    """Where in ``a`` the window is most alike (normalised cross-correlation); None: one of them is silent,
    or ``a`` is too short.
    """
    size = len(window)
    own = float(np.dot(window, window))
    if size == 0 or len(a) < size or own == 0.0:
        return None
    width = 1 << (2 * size - 1).bit_length()
    width = max(width, min(_CHUNK, 1 << (len(a) + size).bit_length()))
    turned = np.conj(np.fft.rfft(window, width))
    step = width - size + 1
    energy = np.concatenate(([0.0], np.cumsum(a**2)))
    floor = 1e-4 * own
    best, where = 0.0, None
    for start in range(0, len(a) - size + 1, step):
        chunk = a[start : start + width]
        count = min(step, len(a) - size + 1 - start)
        products = np.fft.irfft(np.fft.rfft(chunk, width) * turned, width)[:count]
        there = energy[start + size : start + size + count] - energy[start : start + count]
        values = np.where(there > floor, products / np.sqrt(np.maximum(there, floor) * own), 0.0)
        # Of places that are as good (a tone fits at each of its periods) the first.
        top = int(np.argmax(values > np.max(values) - _ALIKE))
        if values[top] > best + _ALIKE:
            best, where = float(values[top]), start + top
    return where


def _judge(a: _Floats, b: _Floats, at: int, rate: int, least: float) -> Heard:
    """Compare part by part, with ``b`` beginning at sample ``at`` of ``a``."""
    size = round(PART_S * rate)
    total = weight = 0.0
    parts = []
    for start in range(0, len(b), size):
        wanted = b[start : start + size]
        there = _slice(a, at + start, len(wanted))
        match, why = _compare(there, wanted)
        sounds = float(np.dot(wanted, wanted)) + (float(np.dot(there, there)) if there is not None else 0.0)
        total += match * sounds
        weight += sounds
        if match < least:
            parts.append(Stretch(start / rate, (start + len(wanted)) / rate, match, why))
    return Heard(float(total / weight) if weight else 1.0, at / rate, tuple(_together(parts)))


def _slice(a: _Floats, begin: int, size: int) -> _Floats | None:
    """So many samples of ``a``; what is beyond its ends is silence, None where all of it is."""
    low, high = max(begin, 0), min(begin + size, len(a))
    if high <= low:
        return None
    return np.pad(a[low:high], (low - begin, begin + size - high))


def _compare(there: _Floats | None, wanted: _Floats) -> tuple[float, str]:
    quiet = float(np.abs(wanted).mean()) < SILENT
    if there is None:
        return (1.0, "") if quiet else (0.0, "it is beyond the end of what was recorded")
    silent = float(np.abs(there).mean()) < SILENT
    if quiet and silent:
        return 1.0, ""
    if silent:
        return 0.0, "there is silence"
    if quiet:
        return 0.0, "something sounds where nothing should"
    product = float(np.dot(there, wanted))
    match = max(0.0, product / np.sqrt(float(np.dot(there, there)) * float(np.dot(wanted, wanted))))
    return float(match), "something else sounds"


def _together(parts: list[Stretch]) -> Iterator[Stretch]:
    """Neighbours for the same reason as one."""
    run: list[Stretch] = []
    for part in parts:
        if run and (part.begin > run[-1].end + 1e-9 or part.why != run[-1].why):
            yield _one(run)
            run = []
        run.append(part)
    if run:
        yield _one(run)


def _one(run: list[Stretch]) -> Stretch:
    match = sum(one.match * (one.end - one.begin) for one in run) / (run[-1].end - run[0].begin)
    return Stretch(run[0].begin, run[-1].end, match, run[0].why)
