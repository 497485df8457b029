"""Layer 1: from a tap's points to the rows they are: a view where it can be, a copy where it must."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from callflow.media.leg import Leg
from callflow.media.messages import Side, TapPoint
from callflow.media.mixing import half_mix
from callflow.media.plane import READ, WRITE, Plane
from callflow.media.taps import Samples, Tap


class Wire:
    """An attached tap and where its channels are at present."""

    __slots__ = ("_gathered", "_plane", "_sources", "_view", "points", "stale", "tap")

    def __init__(self, tap: Tap, plane: Plane) -> None:
        self.tap = tap
        self.points: tuple[TapPoint, ...] = ()
        self.stale = True  # a leg of it has come or gone
        self._plane = plane
        self._view: tuple[int, int, int] | None = None  # row, first side, end of sides
        self._sources: list[tuple[int, int, Side]] = []  # channel, row, side
        self._gathered: Samples | None = None

    @property
    def plane(self) -> Plane:
        """The rows of the tap's rate."""
        return self._plane

    def resolve(self, legs: Mapping[str, Leg]) -> None:
        """Find the tap's points among ``legs``."""
        self.points = self.tap.points
        self.stale = False
        found = [legs.get(point.leg) for point in self.points]
        rows = [-1 if leg is None or leg.rate != self._plane.rate else leg.row for leg in found]
        sides = tuple(point.side for point in self.points)
        self._view = None
        self._sources = []
        if -1 not in rows and len(set(rows)) == 1:
            if sides == (Side.READ, Side.WRITE):
                self._view = (rows[0], READ, WRITE + 1)
            elif sides == (Side.READ,):
                self._view = (rows[0], READ, READ + 1)
            elif sides == (Side.WRITE,):
                self._view = (rows[0], WRITE, WRITE + 1)
        if self._view is None:
            self._gathered = None
            self._sources = [(n, row, sides[n]) for n, row in enumerate(rows) if row >= 0]

    def block(self, n: int) -> Samples:
        """The tap's channels of the block just rendered: ``[channels, n]``."""
        rows = self._plane.rows
        if self._view is not None:
            row, first, end = self._view
            return rows[row, first:end, :n]
        if self._gathered is None:
            self._gathered = np.zeros((len(self.points), self._plane.width), np.int16)
        block = self._gathered[:, :n]
        for channel, row, side in self._sources:
            if side is Side.MIX:
                half_mix(rows[row, READ, :n], rows[row, WRITE, :n], out=block[channel])
            else:
                block[channel] = rows[row, READ if side is Side.READ else WRITE, :n]
        return block
