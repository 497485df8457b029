"""Layer 1: what is said or played, as pure functions of position: ``Sound`` (clips in a row) and ``Track``
(sounds in a queue, each at its absolute sample). Asking them for samples changes nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

from callflow.media.taps import Samples

ENDLESS = 1 << 62
"""The length of a sound that never ends, and the time of what never happens."""

# A repeated sound shorter than this is laid out several times, so that half a second is not made of
# thousands of tiny copies.
_TILE = 4000


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of samples, or (``pcm`` None) of silence. ``endless``: repeats for ever once reached."""

    size: int
    pcm: Samples | None = None
    endless: bool = False


class Sound:
    """Parts one after the other, the whole ``loops`` times (0: for ever)."""

    __slots__ = ("_loop_from", "_parts", "_starts", "_total", "length")

    def __init__(self, parts: Sequence[Part], loops: int = 1) -> None:
        parts = [part for part in parts if part.size > 0]
        self._loop_from = 0
        self.length = 0
        for number, part in enumerate(parts):
            if part.endless:  # nothing after it is ever reached
                parts = parts[: number + 1]
                self._loop_from = sum(part.size for part in parts[:number])
                loops = 0
                break
        total = sum(part.size for part in parts)
        if total:
            self.length = ENDLESS if loops == 0 else total * loops
        if loops != 1 and 0 < total < _TILE and self._loop_from == 0:
            parts = parts * -(-_TILE // total)
            pcm = np.concatenate([_samples(part) for part in parts])
            parts, total = [Part(len(pcm), pcm)], len(pcm)
        self._parts = tuple(parts)
        self._starts = (0, *accumulate(part.size for part in parts))
        self._total = total

    def fill(self, out: Samples, position: int) -> None:
        """Write samples ``position .. position + len(out)``, which must lie within ``length``."""
        done, n = 0, len(out)
        while done < n:
            at = position + done
            if at >= self._total:
                at = self._loop_from + (at - self._loop_from) % (self._total - self._loop_from)
            number = bisect_right(self._starts, at) - 1
            part, offset = self._parts[number], at - self._starts[number]
            take = min(n - done, part.size - offset)
            out[done : done + take] = 0 if part.pcm is None else part.pcm[offset : offset + take]
            done += take


def _samples(part: Part) -> Samples:
    return np.zeros(part.size, np.int16) if part.pcm is None else part.pcm


T = TypeVar("T")


@dataclass(slots=True)
class Item(Generic[T]):
    """A sound on a track: samples ``start .. end`` of the pump's time. ``what``: what it was asked for by."""

    sound: Sound
    start: int
    end: int
    what: T


class Track(Generic[T]):
    """A queue of sounds: each begins where the former ends, or later."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: deque[Item[T]] = deque()

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def due(self) -> int:
        """The sample at which the first sound ends."""
        return self.items[0].end if self.items else ENDLESS

    def add(self, sound: Sound, not_before: int, what: T) -> None:
        """Queue ``sound``."""
        start = max(not_before, self.items[-1].end) if self.items else not_before
        self.items.append(Item(sound, start, _end(start, sound), what))

    def finished(self, at: int) -> list[Item[T]]:
        """Take away, in order, what has ended at sample ``at``."""
        ended = []
        while self.items and self.items[0].end <= at:
            ended.append(self.items.popleft())
        return ended

    def remove(self, item: Item[T], at: int) -> None:
        """Take ``item`` away at sample ``at``; later ones move up, none before ``at``."""
        self.items.remove(item)
        free = at
        for later in self.items:
            if later.start > at:
                later.start = free
                later.end = _end(free, later.sound)
            free = later.end

    def cut(self, at: int, what: T) -> None:
        """Nothing sounds from sample ``at`` on; what still sounds until then becomes ``what``."""
        while self.items and self.items[-1].start >= at:
            self.items.pop()
        for item in self.items:
            item.end, item.what = min(item.end, at), what

    def within(self, start: int, end: int) -> Iterator[tuple[Item[T], int, int]]:
        """The sounds between samples ``start`` and ``end``, each with its part of that span."""
        for item in self.items:
            if item.start >= end:
                return
            low, high = max(item.start, start), min(item.end, end)
            if low < high:
                yield item, low, high


def _end(start: int, sound: Sound) -> int:
    return min(start + sound.length, ENDLESS)
