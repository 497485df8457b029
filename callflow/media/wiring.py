"""Layer 1: from a tap's points to the rows they are: a view where it can be, a copy where it must."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from callflow.media.leg import Leg
from callflow.media.messages import Side, TapPoint
from callflow.media.mixing import add_up, half_mix
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
        rows = {source[0][0] if len(source) == 1 else -1 for source in found}
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
                _put(rows, *source[0], n, block[channel])
            else:
                parts = np.empty((len(source), n), np.int16)
                for part, (row, side) in zip(parts, source, strict=True):
                    _put(rows, row, side, n, part)
                add_up(parts, block[channel])
        return block


Source = tuple[int, Side]
"""A row of a plane, and which side of it."""


def sources(point: TapPoint, legs: Mapping[str, Leg], rate: int) -> list[Source]:
    """The rows that sound at ``point`` (none: silence), each once."""
    found = ((legs.get(place.leg), place.side) for place in point.places)
    return list(dict.fromkeys((leg.row, side) for leg, side in found if leg is not None and leg.rate == rate))


def _put(rows: Samples, row: int, side: Side, n: int, out: Samples) -> None:
    """One side of a row, or both."""
    if side is Side.MIX:
        half_mix(rows[row, READ, :n], rows[row, WRITE, :n], out=out)
    else:
        out[:] = rows[row, READ if side is Side.READ else WRITE, :n]
