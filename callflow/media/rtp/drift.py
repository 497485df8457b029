"""Layer 1: how far ahead of their time a row's packets come, and what is to be done about it.

The packet that had the least delay is the measure: jitter only ever adds to it. Of each second the largest
lead is kept, and of the last seconds one of the larger: so that a moment in which our own clock stood still,
and all packets seemed to be early, does not count. It should be the row's hold (``jitter_ms``); where it
grows, the peer's clock is fast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NONE = -(1 << 40)
"""A lead that was never seen."""
WINDOWS = 6
"""Windows of ``WINDOW_S`` that are looked at; the last one is not full yet."""
WINDOW_S = 1
PLAN_S = 0.1
# Too short a hold loses what comes late: it is mended soon. One that is too long costs nothing but time, and
# up to a tick of it is not even there: arrivals are known to 10 ms only.
_SHORT_MS, _LONG_MS, _GOAL_MS = 6.0, 9.0, 1.0
# Error from which on so many samples are slipped in PLAN_S.
_PACE_MS = ((0.0, 1), (12.0, 3), (25.0, 10))


class Leads:
    """Leads of all rows of a bank, in samples at ``rate``."""

    def __init__(self, rows: int, rate: int) -> None:
        self._rate = rate
        self._leads: NDArray[np.int64] = np.full((WINDOWS, rows), NONE)
        self._now = 0  # the window that is being filled
        self._moving: NDArray[np.bool_] = np.zeros(rows, np.bool_)
        self._turn = 0
        self._next = 0

    def grow(self, rows: int) -> None:
        """More rows."""
        more = rows - len(self._moving)
        self._leads = np.concatenate([self._leads, np.full((WINDOWS, more), NONE)], axis=1)
        self._moving = np.concatenate([self._moving, np.zeros(more, np.bool_)])

    def seen(self, rows: NDArray[np.intp], leads: NDArray[np.int64]) -> None:
        """Packets came so many samples before their time."""
        np.maximum.at(self._leads[self._now], rows, leads)

    def reset(self, row: int) -> None:
        """A new mapping of time."""
        self._leads[:, row] = NONE
        self._moving[row] = False

    def slipped(self, rows: NDArray[np.intp], by: NDArray[np.int64]) -> None:
        """The rows have gone ``by`` samples further than the clock (each row once)."""
        self._leads[:, rows] -= by

    def errors(self, rows: NDArray[np.intp], hold: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many samples too much the rows wait (negative: too few); 0 where nothing is known."""
        seconds = np.sort(self._leads[:, rows], axis=0)
        known = (seconds > NONE // 2).sum(axis=0)
        # The largest while little is known; later the second and then the third.
        which = WINDOWS - 1 - np.clip(known - 2, 0, 2)
        lead = seconds[which, np.arange(len(rows))]
        return np.where(lead > NONE // 2, lead - hold[rows], 0)

    def plan(self, now: int, hold: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Every ``PLAN_S``: how many samples each row is to slip until the next time; else None."""
        if now < self._next:
            return None
        self._next = now + round(PLAN_S * self._rate)
        if now >= self._turn:
            self._turn = now + WINDOW_S * self._rate
            self._now = (self._now + 1) % WINDOWS
            self._leads[self._now] = NONE
        rows = np.arange(len(hold))
        error = self.errors(rows, hold)
        size = np.abs(error) * (1000 / self._rate)
        begin = np.where(error > 0, _LONG_MS, _SHORT_MS)
        self._moving = (size > begin) | (self._moving & (size > _GOAL_MS))
        pace = np.zeros(len(hold), np.int64)
        for ms, samples in _PACE_MS:
            pace[self._moving & (size >= ms)] = samples
        return np.sign(error) * pace
