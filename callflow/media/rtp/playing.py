"""Layer 1: what has come is played in its time: holes concealed, drift slipped away, silence as noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from callflow.media.rtp.conceal import HISTORY_MS, Concealment
from callflow.media.rtp.masks import some
from callflow.media.rtp.noise import NoiseTable
from callflow.media.rtp.placing import Bank
from callflow.media.rtp.ring import HOLE
from callflow.media.taps import Samples

_QUIET = 200  # a piece without a larger sample is quiet: more is slipped there at once
_QUIET_SLIP = 40
SLACK = 48  # how much further than the clock a row can go in a piece of sound
_EXACT_MS = 1  # in silence a row goes to its place at once, if it is further away

_Rows = NDArray[np.intp]
_Ints = NDArray[np.int64]


class Player:
    """Reads a bank's rows piece by piece."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._holes: dict[int, Concealment] = {}
        self._noise = NoiseTable(bank.rate, bank.ring.longest)

    def play(self, rows: _Rows, now: int, n: int) -> tuple[_Rows, Samples]:
        """Those of ``rows`` that have begun, and their next ``n`` samples (``[K, n]``, at most the ring's
        ``longest`` less ``SLACK``) from sample ``now`` of the bank's clock on.
        """
        bank, c = self._bank, self._bank.columns
        if (plan := bank.leads.plan(now, c.hold)) is not None:
            c.want = plan
        rows = rows[c.playing[rows]]
        places = now + c.shift[rows]
        sound = bank.ring.read(rows, places, n)
        holed = np.minimum.reduce(sound, axis=1) == HOLE
        odd = holed | c.opened[rows]
        c.mute[rows] &= odd
        wants = (c.want[rows] != 0) & ~odd
        if some(odd):
            self._fill(rows, places, sound, odd.nonzero()[0])
        if some(wants):
            self._slip(rows, places, sound, wants.nonzero()[0])
        bank.ring.clear(rows, places + bank.ahead, n + SLACK)
        return rows, sound

    def forget(self, row: int) -> None:
        """The row is gone, or begins anew."""
        self._holes.pop(row, None)

    def hole(self, row: int) -> Concealment | None:
        """The hole that the row is in, if any."""
        return self._holes.get(row)

    def adopt(self, row: int, hole: Concealment | None) -> None:
        """What ``hole`` gave elsewhere."""
        if hole is not None:
            self._holes[row] = hole

    def _fill(self, rows: _Rows, places: _Ints, sound: Samples, odd: _Rows) -> None:
        c = self._bank.columns
        still = c.mute[rows[odd]] & (sound[odd].max(axis=1) == HOLE)
        if still.any():
            self._rest(rows, places, sound, odd[still])
        mended = odd[~still]
        for i in mended.tolist():
            self._mend(int(rows[i]), int(places[i]), sound[i])
        if len(mended):  # what was made up is kept, as what was played
            self._bank.ring.write(rows[mended], places[mended], sound[mended])

    def _rest(self, rows: _Rows, places: _Ints, sound: Samples, still: _Rows) -> None:
        """Rows that go on being silent: noise or nothing; a good time to come to the right place."""
        bank, c = self._bank, self._bank.columns
        resting, at, n = rows[still], places[still], sound.shape[1]
        sound[still] = self._background(resting, at, n)
        error = bank.leads.errors(resting, c.hold)
        by = np.where(np.abs(error) > _EXACT_MS * bank.ms, np.clip(error, -n, n), 0)
        if by.any():
            c.shift[resting] += by
            c.want[resting] = 0
            bank.leads.slipped(resting, by)
            bank.ring.clear(resting, at + bank.ahead + n, n)

    def _background(self, rows: _Rows, places: _Ints, n: int) -> Samples:
        c = self._bank.columns
        level = np.where((places >= c.silent_from[rows]) & (places < c.silent_to[rows]), c.level[rows], 0.0)
        if not level.any():
            return np.zeros((len(rows), n), np.int16)
        return self._noise.pieces(rows, places, n, level)

    def _mend(self, row: int, place: int, sound: Samples) -> None:
        """A row with a hole in it, or just after one."""
        bank, c = self._bank, self._bank.columns
        hole = sound == HOLE
        edges = [0, len(sound)]
        if not hole.all():
            edges[1:1] = (np.flatnonzero(hole[1:] != hole[:-1]) + 1).tolist()
        state = self._holes.get(row)
        for begin, end in pairwise(edges):
            part = sound[begin:end]
            if not hole[begin]:
                c.mute[row] = False
                if state is None:
                    continue
                # The end of a silence that turned out to be one: nothing was lost, nothing is left of before.
                spoke = state.silent and c.silent_from[row] < place + begin == c.silent_to[row]
                if spoke or state.join(part):
                    state = None
                continue
            if c.mute[row]:
                part[:] = self._background(np.array([row]), np.array([place + begin]), end - begin)[0]
                continue
            if state is None or state.joining:
                known = c.silent_from[row] <= place + begin < c.silent_to[row]
                state = Concealment(self._past(row, place, sound[:begin]), bank.rate, quick=bool(known))
            part[:] = np.rint(state.go_on(end - begin))
            c.concealed[row] += end - begin
            if state.silent:
                c.mute[row] = True
                # After a known silence sound begins as it comes; after a loss it is faded in.
                state = None if state.quick else state
        c.opened[row] = state is not None
        if state is None:
            self._holes.pop(row, None)
        else:
            self._holes[row] = state

    def _past(self, row: int, place: int, played: Samples) -> Samples:
        """What was played before, ``HISTORY_MS`` of it."""
        n = HISTORY_MS * self._bank.ms
        before = self._bank.ring.read(np.array([row]), np.array([place - n]), n)[0]
        past = np.concatenate([before, played])[-n:]
        past[past == HOLE] = 0
        return past

    def _slip(self, rows: _Rows, places: _Ints, sound: Samples, which: _Rows) -> None:
        """Go a sample further (or back) than the clock, in one fade over the whole piece; more where it is
        quiet.
        """
        bank, c = self._bank, self._bank.columns
        who, here = rows[which], sound[which]
        n = sound.shape[1]
        want = c.want[who]
        quiet = (here.max(axis=1) < _QUIET) & (here.min(axis=1) > -_QUIET)
        error = bank.leads.errors(who, c.hold)
        by = np.sign(want)
        by = np.where(quiet & (np.sign(error) == by), np.clip(error, -_QUIET_SLIP, _QUIET_SLIP), by)
        there = bank.ring.read(who, places[which] + by, n)
        whole = there.min(axis=1) != HOLE
        if not whole.any():
            return
        who, which, by = who[whole], which[whole], by[whole]
        weight = ((np.arange(n) + 1) / (n + 1)).astype(np.float32)
        here, there = here[whole], there[whole]
        sound[which] = np.rint(here + (there.astype(np.float32) - here) * weight)
        c.shift[who] += by
        left = want[whole] - by
        c.want[who] = np.where(np.sign(left) == np.sign(want[whole]), left, 0)
        c.slipped[who] += by
        bank.leads.slipped(who, by)
