"""Layer 1: the rows of one rate in live time: a tick at a time, with what was heard in the last ticks kept.

In memory a tick is in one piece, all rows of it: ``[tick, row, 2, samples]``. What a tick does to all legs
stays in the cache; who wants a longer stretch of one leg (a recording, a packet) gathers it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from callflow.media.leg import Leg
from callflow.media.plane import READ, WRITE, Plane
from callflow.media.rooms import Mix
from callflow.media.rtp.io import RtpIo
from callflow.media.rtp.ports import PortPool
from callflow.media.sound import ENDLESS
from callflow.media.taps import Samples

HISTORY_TICKS = 64
"""So many past ticks are kept: more than any tap or packet waits."""


class LivePlane(Plane):
    """``ports`` None: no RTP legs here."""

    def __init__(self, rate: int, tick: int, ports: PortPool | None, random: Random) -> None:
        super().__init__(rate, tick, tick)
        self._ring: Samples = np.zeros((HISTORY_TICKS, *self.rows.shape), np.int16)
        self._whole = np.dtype((np.void, 2 * tick))  # one side of a row as one item: copied in one go
        self._high = 0
        self._bridged = True
        self._talks: NDArray[np.intp] = np.zeros(0, np.intp)
        self._hears: NDArray[np.intp] = np.zeros(0, np.intp)
        self.mirrored: tuple[NDArray[np.intp], Samples] | None = None  # what members of another rate say
        self._scratch: dict[int, Samples] = {}
        self.io = None if ports is None else RtpIo(rate, ports, random)

    def add(self, leg: Leg) -> None:
        super().add(leg)
        self._high = max(self._high, leg.row + 1)
        self._ring[:, leg.row] = 0  # what the leg before it heard is nobody's business

    def leave(self, leg: Leg) -> None:
        """``leg`` goes to another process with all that is said and played on it: its row is free."""
        self._sounding.pop(leg.row, None)
        self._playing.pop(leg.row, None)
        self._due[leg.row] = ENDLESS
        self._listener[leg.row] = -1
        self._bridged = True
        if leg.member is not None:
            self.rooms.leave(leg)
        del self.legs[leg.row]
        self._free.append(leg.row)

    def lend(self) -> int:
        """A row for what no leg says; ``give_back`` it."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._high = max(self._high, row + 1)
        self._ring[:, row] = 0
        return row

    def give_back(self, row: int) -> None:
        """The row is free."""
        self._free.append(row)

    def rewire(self, leg: Leg) -> None:
        super().rewire(leg)
        self._bridged = True

    def begin(self, tick: int) -> None:
        """``rows`` is that tick's from now on, all silent."""
        self.rows = self._ring[tick % HISTORY_TICKS]
        self.rows[: self._high] = 0

    def render(self, start: int, n: int) -> None:
        rows = self.rows
        if self.io is not None:
            self.io.render(rows, start, n)
        for row, leg in self._sounding.items():
            leg.render_read(rows[row, READ], start)
        if self._bridged:
            self._find_bridges()
        sides = self._sides(rows)
        sides[self._hears] = sides[self._talks]
        if self.rooms:
            if self.mirrored is not None:
                rows[self.mirrored[0], READ] = self.mirrored[1]
            self.rooms.mix(rows, n)
        for row, leg in self._playing.items():
            side = rows[row, WRITE]
            leg.render_write(side, start)

    def make_up(self, legs: Sequence[Leg], first: int, end: int) -> None:
        """Make past ticks ``first .. end`` of ``legs``, which were elsewhere; they hear only each other."""
        mix = Mix.of(legs)
        rows = np.array(sorted(leg.row for leg in legs if leg.on_net), np.intp)
        for tick in range(first, end):
            past, start = self._ring[tick % HISTORY_TICKS], tick * self.tick
            if self.io is not None and len(rows):
                self.io.receive_again(rows, start, (end - tick) / 100)
                self.io.render_rows(rows, past, start, self.tick)
            for leg in legs:
                if leg.sounding:
                    leg.render_read(past[leg.row, READ], start)
            for leg in legs:
                if leg.hears is not None:
                    past[leg.row, WRITE] = past[leg.hears.row, READ]
            mix(past, self.tick)
            for leg in legs:
                if leg.played:
                    leg.render_write(past[leg.row, WRITE], start)

    def heard(self, tick: int, rows: NDArray[np.intp], out: Samples) -> None:
        """What ``rows`` heard in a past ``tick``, into ``out`` (contiguous ``[K, tick]``)."""
        sides = self._sides(self._ring[tick % HISTORY_TICKS])
        out.view(self._whole)[:, 0] = sides[2 * rows + WRITE]

    def past(self, first: int, end: int) -> Iterator[Samples]:
        """Ticks ``first .. end``: one or two pieces ``[ticks, row, 2, samples]``."""
        low, high = first % HISTORY_TICKS, (end - 1) % HISTORY_TICKS + 1
        if low < high:
            yield self._ring[low:high]
        else:
            yield self._ring[low:]
            yield self._ring[:high]

    def scratch(self, channels: int) -> Samples:
        """Memory to gather in, ``[samples of the whole history, channels]``; anybody's."""
        if channels not in self._scratch:
            self._scratch[channels] = np.zeros((HISTORY_TICKS * self.tick, channels), np.int16)
        return self._scratch[channels]

    def _find_bridges(self) -> None:
        self._bridged = False
        talkers = np.flatnonzero(self._listener >= 0)
        self._talks = 2 * talkers + READ
        self._hears = 2 * self._listener[talkers] + WRITE

    def _sides(self, rows: Samples) -> NDArray[np.void]:
        """All sides as items, the read and the write side of row ``r`` at ``2 r`` and ``2 r + 1``."""
        return rows.reshape(-1).view(self._whole)

    def _clear(self, row: int, side: int) -> None:
        """What was heard stays; the next tick begins silent."""

    def _grow(self) -> None:
        super()._grow()
        ring = np.zeros((HISTORY_TICKS, *self.rows.shape), np.int16)
        ring[:, : self._ring.shape[1]] = self._ring
        self._ring = ring
