"""Layer 4: which legs are heard on which channel of a conversation's recording (ncco.md 1.4). Values only.

    mono        one channel: all that the first leg says and hears, or (``Layout.ALL``) every leg
    sides       left what the first leg says, right what it hears
    legs        a channel a leg, in joining order; those beyond the last channel share that one

A leg keeps its channel for good, also while it is away. A muted leg is silence on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from callflow.media.messages import Side, TapPoint

MAX_CHANNELS = 32
SILENCE = TapPoint("", Side.READ)


class Layout(StrEnum):
    """What the channels of a recording are."""

    MONO = "mono"  # of a call: the first leg's two sides, prompts with them
    ALL = "all"  # of a room: every leg, in one channel
    SIDES = "sides"
    LEGS = "legs"


def layout_of(*, split: bool, channels: int | None, room: bool) -> tuple[Layout, int]:
    """The layout and the number of channels for what is written. ``split`` alone is two; two channels are the
    two sides of the first leg in a call, and a channel a leg in a room, which has no first leg.
    """
    count = min(MAX_CHANNELS, max(1, channels or 2)) if split or channels else 1
    if count == 1:
        return (Layout.ALL if room else Layout.MONO), 1
    if count == 2 and not room:
        return Layout.SIDES, 2
    return Layout.LEGS, count


class ChannelPlan:
    """The channels of one recording while legs come and go."""

    def __init__(self, layout: Layout, channels: int) -> None:
        self.layout = layout
        self.channels = channels
        self._legs: list[str] = []  # in joining order
        self._muted: set[str] = set()
        self._sides: tuple[TapPoint, ...] = ()

    def join(self, leg: str) -> int:
        """``leg`` is in; gives its channel, the same one each time."""
        if leg not in self._legs:
            self._legs.append(leg)
        return self.channel(leg)

    def channel(self, leg: str) -> int:
        """The channel of a leg that has joined, from 0."""
        return min(self._legs.index(leg), self.channels - 1)

    def mute(self, leg: str, muted: bool) -> None:
        """What ``leg`` says is (not) in the recording from now on."""
        (self._muted.add if muted else self._muted.discard)(leg)

    def replaced(self, leg: str, by: str) -> None:
        """Another leg is in its place, on its channel."""
        self._legs = [by if each == leg else each for each in self._legs]
        if leg in self._muted:
            self._muted.remove(leg)
            self._muted.add(by)

    def moved(self, move: Callable[[tuple[TapPoint, ...]], tuple[TapPoint, ...]]) -> None:
        """A party has left the talk of the first leg's two sides: ``move`` says where each is heard now."""
        self._sides = move(self._two_sides())

    def _two_sides(self) -> tuple[TapPoint, ...]:
        first = self._legs[0] if self._legs else ""
        return self._sides or (TapPoint(first, Side.READ), TapPoint(first, Side.WRITE))

    def forget(self, leg: str) -> None:
        """A leg that shares a channel, or all of it, with others is gone: nothing of it is listened to any
        more. One with a channel of its own keeps that.
        """
        if leg in self._legs and (self.layout is Layout.ALL or self._legs.index(leg) >= self.channels):
            self._legs.remove(leg)

    def points(self) -> tuple[TapPoint, ...]:
        """Where to listen now: a point a channel."""
        if self.layout in (Layout.MONO, Layout.SIDES):
            sides = [self._unless_muted(side) for side in self._two_sides()]
            return tuple(sides) if self.layout is Layout.SIDES else (_together(sides),)
        if self.layout is Layout.ALL:
            return (_together(self._said(self._legs)),)
        last = self.channels - 1
        alone = [_together(self._said(self._legs[n : n + 1])) for n in range(last)]
        return (*alone, _together(self._said(self._legs[last:])))

    def _unless_muted(self, side: TapPoint) -> TapPoint:
        return SILENCE if side.side is Side.READ and side.leg in self._muted else side

    def _said(self, legs: Iterable[str]) -> list[TapPoint]:
        return [TapPoint(leg, Side.READ) for leg in legs if leg not in self._muted]


def _together(points: Iterable[TapPoint]) -> TapPoint:
    """One channel of all ``points``."""
    heard = [point for point in points if point.leg]
    if not heard:
        return SILENCE
    return TapPoint(heard[0].leg, heard[0].side, tuple(heard[1:]))
