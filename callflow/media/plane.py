"""Layer 1: all legs of one rate as rows of one array ``[row, 2, samples]``: 0 is ``read``, 1 is ``write``.

The two sides of a leg are adjacent, so a stereo recording of it is a view, not a copy. Between blocks one
thing holds: a side that nothing sounds on is all zero, so that silent legs cost nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.leg import Leg
from callflow.media.mixing import bridge_rows
from callflow.media.rooms import Rooms
from callflow.media.sound import ENDLESS
from callflow.media.taps import Samples

READ, WRITE = 0, 1
_FIRST_ROWS = 8
_GROUP_BYTES = 128 << 10  # a part of a core's second-level cache


class Plane:
    """The rows of one rate. ``tick``: samples per tick; ``width``: samples of the longest block."""

    def __init__(self, rate: int, tick: int, width: int) -> None:
        self.rate = rate
        self.tick = tick
        self.width = width
        self.rows: Samples = np.zeros((_FIRST_ROWS, 2, width), np.int16)
        self.before: Samples = np.zeros((_FIRST_ROWS, 2, tick), np.int16)
        """The tick before the block; only where there are legs of several rates, and in blocks."""
        self.legs: dict[int, Leg] = {}
        self._free = list(range(_FIRST_ROWS - 1, -1, -1))
        self._due: NDArray[np.int64] = np.full(_FIRST_ROWS, ENDLESS, np.int64)
        self._listener: NDArray[np.intp] = np.full(_FIRST_ROWS, -1, np.intp)  # who hears a row; -1: nobody
        self.rooms = Rooms()
        self.echoes: set[int] = set()  # rows that say in this block what legs of another rate say
        self._mixed: frozenset[int] = frozenset()  # who hears something of a room in these rows
        self._sounding: dict[int, Leg] = {}
        self._playing: dict[int, Leg] = {}

    def add(self, leg: Leg) -> None:
        """Give ``leg`` a row."""
        if not self._free:
            self._grow()
        leg.row = self._free.pop()
        self.before[leg.row] = 0
        self.legs[leg.row] = leg

    def remove(self, leg: Leg) -> None:
        """Take its row back. Its tracks must be empty, and it in no bridge or room by now."""
        self.update(leg)
        self.rewire(leg)
        del self.legs[leg.row]
        self._free.append(leg.row)

    def lend(self) -> int:
        """A row for what no leg here says; ``give_back`` it."""
        if not self._free:
            self._grow()
        return self._free.pop()

    def give_back(self, row: int) -> None:
        """The row is free."""
        self.rows[row] = 0
        self._free.append(row)

    def update(self, leg: Leg) -> None:
        """``leg``'s tracks or digits have changed."""
        row = leg.row
        self._due[row] = leg.due
        if leg.sounding:
            self._sounding[row] = leg
        elif self._sounding.pop(row, None) is not None:
            self._clear(row, READ)
            if self._listener[row] >= 0:
                self._clear(int(self._listener[row]), WRITE)
        if leg.played:
            self._playing[row] = leg
        elif self._playing.pop(row, None) is not None:
            self._clear(row, WRITE)

    def rewire(self, leg: Leg) -> None:
        """``leg``'s bridge, hold or place in a room has changed."""
        self.rooms.changed(leg)
        peer = leg.heard_by
        self._listener[leg.row] = -1 if peer is None else peer.row
        self._clear(leg.row, WRITE)

    @property
    def quiet(self) -> bool:
        """Nothing sounds and nothing is due on any leg."""
        return not self._sounding and not self._playing and int(self._due.min()) == ENDLESS

    def due_tick(self) -> int:
        """The tick at whose begin the next thing has happened."""
        return -(-int(self._due.min()) // self.tick)

    def due_legs(self, at: int) -> list[Leg]:
        """The legs on which something has happened up to sample ``at``."""
        return [self.legs[row] for row in (self._due <= at).nonzero()[0].tolist()]

    def render(self, start: int, n: int) -> None:
        """Make the sound of all legs for ``n`` samples from sample ``start`` on.

        A group of legs at a time, so that what one party says is still in the cache when the other hears it.
        """
        rows = self.rows
        if self._mixed and self.rooms.stale:
            self._unmix()
        talkers = np.fromiter(self._sounding, np.intp, len(self._sounding))
        legs = list(self._sounding.values())
        group = max(1, _GROUP_BYTES // (2 * rows.itemsize * n))
        for first in range(0, len(legs), group):
            for leg in legs[first : first + group]:
                leg.render_read(rows[leg.row, READ, :n], start)
            bridge_rows(rows, talkers[first : first + group], self._listener, n)
        if self.rooms:
            self._mix(n)
        for row, leg in self._playing.items():
            side = rows[row, WRITE, :n]
            talker = leg.hears
            if row not in self._mixed and (talker is None or not talker.sounding):
                side[:] = 0
            leg.render_write(side, start)

    def keep(self, n: int) -> None:
        """The first ``n`` samples (a tick or more) of the block have happened."""
        self.before[:] = self.rows[:, :, n - self.tick : n]

    def _mix(self, n: int) -> None:
        """What is heard in rooms."""
        mix = self.rooms.mix
        if self._sounding.keys().isdisjoint(mix.sources) and self.echoes.isdisjoint(mix.sources):
            self._unmix()
        else:
            mix(self.rows, n)
            self._mixed = mix.listeners

    def _unmix(self) -> None:
        """Nobody hears anything of a room any more."""
        for row in self._mixed:
            self._clear(row, WRITE)
        self._mixed = frozenset()

    def _clear(self, row: int, side: int) -> None:
        """Nothing sounds on that side any more."""
        self.rows[row, side] = 0

    def _grow(self) -> None:
        old = len(self.rows)
        # Sounding rows are made anew with each block and silent ones are zero: nothing to copy.
        self.rows = np.zeros((old * 2, 2, self.width), np.int16)
        self.before = np.concatenate([self.before, np.zeros_like(self.before)])
        self._due = np.concatenate([self._due, np.full(old, ENDLESS, np.int64)])
        self._listener = np.concatenate([self._listener, np.full(old, -1, np.intp)])
        self._free = list(range(old * 2 - 1, old - 1, -1))
