"""Layer 1: how others listen to the pump. The recorder (layer 2) is a ``Tap``; the pump knows no recorder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from callflow.media.messages import Digit, TapPoint

Samples = NDArray[np.int16]
"""16-bit linear PCM. Mono: one axis; a block: ``[channels, n]``; in files ``[n, channels]``."""


class Tap(Protocol):
    """Somebody who gets the sound of a list of points, block by block, without a gap from its ``attach`` on.

    A block is a *view of the pump's own rows*: read it, copy what you keep, never write to it, and do not
    hold it after the call returns. It is always a whole number of ticks long.
    """

    @property
    def points(self) -> tuple[TapPoint, ...]:
        """Its channels, in order. A new tuple object means: listen there from the next block on.

        A point whose leg is gone or was never there is a channel of silence; so is one whose leg has another
        rate, but that 8000 and 16000 are carried from one to the other (``crossing``).
        """

    @property
    def rate(self) -> int:
        """Samples per second."""

    @property
    def wants_audio(self) -> bool:
        """False while samples would be thrown away (waiting, paused, ended): then no call comes. Who makes
        it True again, or changes ``points``, calls ``Pump.catch_up`` before.
        """

    def horizon(self, block: Samples) -> int:
        """How many samples of ``block`` (``[channels, n]``) pass until there is something to say: 1..n.

        ``n``: nothing, or at the very end. No side effects: the block may be shortened by somebody else. The
        pump rounds the answer up to a whole tick, so the block that is committed may go past it by less
        than a tick: a tap that ends inside a tick cuts there by itself. In live time it is asked before
        the block has happened: only the block's length means something then.
        """

    def commit(self, block: Samples, time: float) -> list[object]:
        """``block`` (``[channels, m]``) has happened; ``time`` is the engine time of its first sample.

        What comes back is passed on with the pump's events, after those of earlier taps. It may call
        ``Pump.detach`` (also on itself).
        """


def legs_of(points: Iterable[TapPoint]) -> set[str]:
    """The legs that are listened to there (an empty name: silence)."""
    return {place.leg for point in points for place in point.places}


class LegWatcher(Protocol):
    """Somebody who must know at once, on the very sample, what happens to legs (see ``Pump.watch``)."""

    def leg_removed(self, leg: str, time: float) -> list[object]:
        """The leg is gone. Taps have got its sound up to exactly ``time``. Returns events to pass on."""

    def digit(self, digit: Digit) -> list[object]:
        """A party pressed a digit; taps have got all sound up to ``digit.time``. Returns events."""
