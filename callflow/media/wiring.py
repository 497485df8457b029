"""Layer 1: from a tap's points to the rows they are: a view where it can be, a copy where it must."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from callflow.media.crossing import crossed, meets
from callflow.media.leg import Leg
from callflow.media.messages import Side, TapPoint
from callflow.media.mixing import add_up, half_mix
from callflow.media.plane import READ, WRITE, Plane
from callflow.media.taps import Samples, Tap


class Wire:
    """An attached tap and where its channels are at present."""

    __slots__ = ("_gathered", "_plane", "_planes", "_sources", "_view", "points", "stale", "tap")

    def __init__(self, tap: Tap, planes: Callable[[int], Plane]) -> None:
        self.tap = tap
        self.points: tuple[TapPoint, ...] = ()
        self.stale = True  # a leg of it has come or gone
        self._plane = planes(tap.rate)
        self._planes = planes
        self._view: tuple[int, int, int] | None = None  # row, first side, end of sides
        self._sources: list[tuple[int, list[Source]]] = []  # by channel
        self._gathered: Samples | None = None

    @property
    def plane(self) -> Plane:
        """The rows of the tap's rate."""
        return self._plane

    def resolve(self, legs: Mapping[str, Leg]) -> None:
        """Find the tap's points among ``legs``."""
        self.points = self.tap.points
        self.stale = False
        found = [sources(point, legs, self._plane.rate) for point in self.points]
        rows = {self._only(source) for source in found}
        sides = tuple(point.side for point in self.points)
        self._view = None
        self._sources = []
        if -1 not in rows and len(rows) == 1:
            row = rows.pop()
            if sides == (Side.READ, Side.WRITE):
                self._view = (row, READ, WRITE + 1)
            elif sides == (Side.READ,):
                self._view = (row, READ, READ + 1)
            elif sides == (Side.WRITE,):
                self._view = (row, WRITE, WRITE + 1)
        if self._view is None:
            self._gathered = None
            self._sources = [(n, source) for n, source in enumerate(found) if source]

    def block(self, n: int) -> Samples:
        """The tap's channels of the block just rendered: ``[channels, n]``."""
        rows = self._plane.rows
        if self._view is not None:
            row, first, end = self._view
            return rows[row, first:end, :n]
        if self._gathered is None:
            self._gathered = np.zeros((len(self.points), self._plane.width), np.int16)
        block = self._gathered[:, :n]
        for channel, source in self._sources:
            if len(source) == 1:
                self._put(source[0], n, block[channel])
            else:
                parts = np.empty((len(source), n), np.int16)
                for part, one in zip(parts, source, strict=True):
                    self._put(one, n, part)
                add_up(parts, block[channel])
        return block

    def _only(self, heard: list[Source]) -> int:
        """The row that all of a channel is; -1: it is not that simple."""
        if len(heard) != 1 or heard[0][0].rate != self._plane.rate:
            return -1
        return heard[0][0].row

    def _put(self, source: Source, n: int, out: Samples) -> None:
        leg, side = source
        if leg.rate == self._plane.rate:
            one_side(self._plane.rows[:, :, :n], leg, side, out)
            return
        here = self._planes(leg.rate)
        sound = np.empty(here.tick + n * here.tick // self._plane.tick, np.int16)
        one_side(here.before, leg, side, sound[: here.tick])
        one_side(here.rows[:, :, : len(sound) - here.tick], leg, side, sound[here.tick :])
        out[:] = crossed(sound, leg.rate)[self._plane.tick :]


Source = tuple[Leg, Side]
"""A leg that is there, and which side of it."""


def sources(point: TapPoint, legs: Mapping[str, Leg], rate: int) -> list[Source]:
    """What sounds at ``point`` for a tap of ``rate`` (nothing: silence), each once."""
    there = ((legs.get(place.leg), place.side) for place in point.places)
    found = ((leg, side) for leg, side in there if leg is not None and meets(leg.rate, rate))
    return list(dict.fromkeys(found))


def one_side(rows: Samples, leg: Leg, side: Side, out: Samples) -> None:
    """One side of a leg's row, or both, into ``out``."""
    if side is Side.MIX:
        half_mix(rows[leg.row, READ], rows[leg.row, WRITE], out=out)
    else:
        out[:] = rows[leg.row, READ if side is Side.READ else WRITE]
