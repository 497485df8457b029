"""Layer 1: taps in live time: each gets its sound now and then, from what the rows remember of past ticks.

A hundred times a second for each of hundreds of recordings would cost more than the sound itself. So every
wire has a tick at which it is served: half a second after the last, spread over all ticks; earlier
where its tap's ``horizon`` says so, and at once before anything changes (``catch_up``, ``leg_changes``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from callflow.errors import MediaError
from callflow.media.crossing import crossed
from callflow.media.leg import Leg
from callflow.media.liveplane import HISTORY_TICKS, LivePlane
from callflow.media.messages import Side, TapPoint
from callflow.media.mixing import add_up, half_mix
from callflow.media.plane import READ, WRITE
from callflow.media.taps import Samples, Tap, legs_of
from callflow.media.wiring import Source, sources

SERVE_TICKS = 50
"""A tap gets its sound at least so often. A recorder hands so much over at once, and gathers what is less
than half of it: what a ``kill -9`` costs stays below a second. Less than a row remembers
(``liveplane.HISTORY_TICKS``).
"""


Planes = Callable[[int], LivePlane]
"""The rows of a rate."""


class LazyWire:
    """An attached tap: ``done``: it has all sound before that tick; ``due``: when it is served next."""

    __slots__ = ("_planes", "channels", "done", "due", "plane", "points", "tap", "wanted")

    def __init__(self, tap: Tap, planes: Planes, tick: int) -> None:
        self.tap = tap
        self.plane = planes(tap.rate)
        self._planes = planes
        self.points: tuple[TapPoint, ...] = ()
        self.done = self.due = tick
        self.wanted = False
        self.channels: list[tuple[int, list[Source]]] = []

    def resolve(self, legs: Mapping[str, Leg]) -> None:
        """Find the tap's points among ``legs``."""
        self.points = self.tap.points
        found = [sources(point, legs, self.plane.rate) for point in self.points]
        self.channels = [(n, source) for n, source in enumerate(found) if source]

    def block(self, end: int) -> Samples:
        """Its channels from ``done`` up to tick ``end``: ``[channels, n]``, a view of ``[n, channels]``."""
        plane, tick = self.plane, self.plane.tick
        frames = plane.scratch(len(self.points))[: (end - self.done) * tick]
        if len(self.channels) < len(self.points):
            frames[:] = 0
        far = {
            source: self._crossed(*source, end)
            for _, channel in self.channels
            for source in channel
            if source[0].rate != plane.rate
        }
        at = 0
        for past in plane.past(self.done, end):
            when = slice(at, at + len(past) * tick)
            at = when.stop
            for channel, heard in self.channels:
                parts = [far[one][when] if one in far else _one(past, *one) for one in heard]
                if len(parts) == 1:
                    frames[when, channel] = parts[0]
                else:
                    mixed = np.empty(len(parts[0]), np.int16)
                    add_up(np.stack(parts), mixed)
                    frames[when, channel] = mixed
        return frames.T

    def _crossed(self, leg: Leg, side: Side, end: int) -> Samples:
        """What sounds there, of another rate, from ``done`` up to ``end``."""
        past = self._planes(leg.rate).past(self.done - 1, end)
        sound = np.concatenate([_one(piece, leg, side) for piece in past])
        return crossed(sound, leg.rate)[self.plane.tick :]


def _one(past: Samples, leg: Leg, side: Side) -> Samples:
    """One side of a row, or both, in one piece: twice as fast as ticks of 80 samples with a step between."""
    row = leg.row
    if side is Side.MIX:
        mixed = np.empty(past.shape[:1] + past.shape[3:], np.int16)
        half_mix(past[:, row, READ], past[:, row, WRITE], out=mixed)
        return mixed.reshape(-1)
    return past[:, row, READ if side is Side.READ else WRITE].reshape(-1)


class LazyTaps:
    """All attached taps of a live pump. ``legs``: the pump's own table."""

    def __init__(self, legs: Mapping[str, Leg], planes: Planes) -> None:
        self._legs = legs
        self._planes = planes
        self._wires: dict[int, LazyWire] = {}  # by id of the tap
        self._listening: dict[str, set[LazyWire]] = {}  # by leg
        self._fresh: dict[int, LazyWire] = {}  # to be looked at before the next tick
        self._due: dict[int, list[LazyWire]] = {}  # by tick
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._wires)

    def attach(self, tap: Tap, tick: int) -> None:
        """From ``tick`` on. Raises MediaError (twice)."""
        if id(tap) in self._wires:
            raise MediaError("this tap is attached already")
        self._wires[id(tap)] = self._fresh[id(tap)] = LazyWire(tap, self._planes, tick)

    def attach_since(self, tap: Tap, first: int, tick: int, events: list[object]) -> None:
        """As ``attach``, with the sound of past ticks ``first .. tick``; what nobody remembers is silence."""
        if tap.wants_audio:
            wire = LazyWire(tap, self._planes, first)
            wire.resolve(self._legs)
            while wire.done < tick and tap.wants_audio:
                end = min(tick, wire.done + HISTORY_TICKS // 2)
                block = wire.block(end)
                if wire.done <= tick - HISTORY_TICKS:
                    block[:] = 0
                time, wire.done = wire.done / 100, end
                events += tap.commit(block, time)
        self.attach(tap, tick)

    def detach(self, tap: Tap) -> None:
        """No more calls to ``tap``. Unknown taps are ignored."""
        wire = self._wires.pop(id(tap), None)
        if wire is not None:
            self._fresh.pop(id(tap), None)
            wire.wanted = False
            self._forget(wire)

    def refresh(self, tick: int) -> None:
        """Before ``tick`` is made: look at those that may have changed."""
        for wire in tuple(self._fresh.values()):
            wire.done = tick
            wire.wanted = wire.tap.wants_audio
            self._forget(wire)
            wire.resolve(self._legs)
            for name in legs_of(wire.points):
                self._listening.setdefault(name, set()).add(wire)
            if wire.wanted:
                self._turn = (self._turn + 7) % SERVE_TICKS  # not all that begin at once on one tick
                self._plan(wire, 1 + self._turn)
        self._fresh.clear()

    def serve(self, tick: int, events: list[object]) -> None:
        """``tick`` is the next: serve those whose turn it is."""
        for wire in self._due.pop(tick, ()):
            if wire.due == tick and wire.wanted and wire.done < tick:
                self._commit(wire, tick, events)

    def catch_up(self, tap: Tap, tick: int, events: list[object]) -> None:
        """Serve ``tap`` now, because it is about to change."""
        wire = self._wires.get(id(tap))
        if wire is not None:
            self._now(wire, tick, events)

    def leg_changes(self, name: str, tick: int, events: list[object]) -> None:
        """Serve who listens to that leg now, because it comes, goes, or its digit may end something."""
        for wire in tuple(self._listening.get(name, ())):
            self._now(wire, tick, events)

    def _now(self, wire: LazyWire, tick: int, events: list[object]) -> None:
        if wire.wanted and wire.done < tick:
            self._commit(wire, tick, events)
        if id(wire.tap) in self._wires:
            self._fresh[id(wire.tap)] = wire

    def _commit(self, wire: LazyWire, tick: int, events: list[object]) -> None:
        block, time = wire.block(tick), wire.done / 100
        wire.done = tick
        events += wire.tap.commit(block, time)
        if id(wire.tap) not in self._wires:
            return
        if wire.points is not wire.tap.points or not wire.tap.wants_audio:
            wire.wanted = False
            self._fresh[id(wire.tap)] = wire
        else:
            self._plan(wire, SERVE_TICKS)

    def _plan(self, wire: LazyWire, ticks: int) -> None:
        """Serve it after ``ticks`` ticks, or when it may have something to say."""
        tick = wire.plane.tick
        ahead = wire.plane.scratch(len(wire.points))[: ticks * tick].T
        ticks = min(ticks, max(1, -(-wire.tap.horizon(ahead) // tick)))
        wire.due = wire.done + ticks
        self._due.setdefault(wire.due, []).append(wire)

    def _forget(self, wire: LazyWire) -> None:
        for name in legs_of(wire.points):
            listening = self._listening.get(name)
            if listening is not None:
                listening.discard(wire)
                if not listening:
                    del self._listening[name]
