"""Layer 1: the pump in live time: ticks of 10 ms by the clock, with RTP legs and taps that are served lazily.

How a media process or ``InlineMedia`` uses it::

    ports = PortPool("127.0.0.1", 16384, 32768)
    pump = LivePump(ClipLoader(), ports)
    events = pump.command(command)                       # between ticks
    while clock.now() - pump.now >= TICK_S:              # late ticks are made up for, none is left out
        _, events = pump.advance(clock.now())            # exactly one tick
        events += host.settle()
    ports.refill()                                       # between ticks: binds a few ports ahead
    pump.close()                                         # sends BYE on every leg that is left

A tick: drain the sockets, place and decode, make what each leg says, bridge, play, code, send; then taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random, SystemRandom
from typing import cast

from callflow.errors import MediaError
from callflow.media.clips import ClipLoader
from callflow.media.lazy import LazyTaps
from callflow.media.leg import Leg
from callflow.media.liveplane import HISTORY_TICKS, LivePlane
from callflow.media.messages import Digit, RtpSource, RtpStream
from callflow.media.mirrors import LiveMirrors
from callflow.media.moved import MovedLegs, MovedRtp
from callflow.media.plane import Plane
from callflow.media.pump import _SLACK, BLOCK_S, TICKS_PER_S, Pump
from callflow.media.rtp.ports import PortPool
from callflow.media.rtp.receive import DigitAt
from callflow.media.taps import Tap

QUIET_TICKS = 20
"""A tick that is later than this is made up for without sending: nobody would still play that."""


class LivePump(Pump):
    """A ``Pump`` that does one tick at a time and carries RTP legs.

    Taps get their sound a few times a second, each at a time of its own, and at once where a sample counts:
    before a leg comes, goes or presses a digit, and wherever a tap's ``horizon`` says so (its ``block`` has
    not happened then: only its length means something). Who changes a tap (its points, whether it wants
    audio) calls ``catch_up(tap)`` before. ``ports`` None: no RTP legs. ``random``: for runs that repeat.
    """

    def __init__(self, load: ClipLoader, ports: PortPool | None = None, random: Random | None = None) -> None:
        super().__init__(load)
        self._ports = ports
        self._random = random or SystemRandom()
        self._taps = LazyTaps(self._legs, lambda rate: cast("LivePlane", self.plane(rate)))
        self._mirrors = LiveMirrors()

    @property
    def idle(self) -> bool:
        return not self._legs and not self._taps

    def attach(self, tap: Tap) -> None:
        self._taps.attach(tap, self._tick)

    def detach(self, tap: Tap) -> None:
        self._taps.detach(tap)

    def catch_up(self, tap: Tap) -> list[object]:
        events: list[object] = []
        self._taps.catch_up(tap, self._tick, events)
        return events

    def advance(self, until: float, max_s: float = BLOCK_S) -> tuple[float, list[object]]:
        """One tick, if ``until`` (the clock's time) is at least one tick ahead of ``now``; else nothing:
        (until, []). ``max_s`` says nothing here. Never raises for what the network or a disk does.
        """
        end = int(until * TICKS_PER_S + _SLACK)
        tick = self._tick
        if end <= tick:
            return until, []
        if self.idle:
            self._tick = end
            return self.now, []
        events: list[object] = []
        self._taps.refresh(tick)
        two_rates = len(self._planes) > 1
        if two_rates:
            self._mirrors.sync(cast("dict[int, LivePlane]", self._planes))
        for plane in self._live_planes():
            if plane.legs:
                self._run(plane, tick, (end - 1) / TICKS_PER_S, end - tick, events)
        if two_rates:
            self._mirrors.carry(cast("dict[int, LivePlane]", self._planes))
        self._tick = tick + 1
        self._taps.serve(self._tick, events)
        for plane in self._live_planes():
            now = self._tick * plane.tick
            for leg in plane.due_legs(now):
                self._commands.happen(leg, now, events)
        return self.now, events

    def close(self) -> None:
        """Say BYE on every RTP leg and close its sockets. No events."""
        for plane in self._live_planes():
            if plane.io is not None:
                plane.io.close(self._tick * plane.tick)

    # ---- from process to process -------------------------------------------------------------------

    def give_away(self, names: Sequence[str]) -> tuple[MovedLegs, list[int]]:
        """Legs that hear only each other go to another process; the descriptors of their sockets (the
        caller's). Taps that listen to them must be gone already. Names that are not here are left out.
        """
        legs = [self._legs[name] for name in names if name in self._legs]
        nets: list[MovedRtp | None] = []
        sockets: list[int] = []
        for leg in legs:
            plane = cast("LivePlane", self.plane(leg.rate))
            if leg.on_net:
                assert plane.io is not None
                net, pair = plane.io.give_away(leg.row, self._tick * plane.tick)
                nets.append(net)
                sockets += pair
            else:
                nets.append(None)
            plane.leave(leg)
            del self._legs[leg.name]
        return MovedLegs(self._tick, tuple(legs), tuple(nets)), sockets

    def take_in(self, moved: MovedLegs, sockets: Sequence[int]) -> None:
        """Go on with legs of another process, as if they had been here all the time: what they said and heard
        since is made up for. ``moved.tick`` must have come. Raises MediaError.
        """
        waiting = iter(sockets)
        for leg, net in zip(moved.legs, moved.nets, strict=True):
            plane = cast("LivePlane", self.plane(leg.rate))
            plane.add(leg)
            self._legs[leg.name] = leg
            if net is not None:
                assert plane.io is not None
                plane.io.take_in(leg.row, net, (next(waiting), next(waiting)), moved.tick * plane.tick)
        for plane in self._live_planes():
            legs = [leg for leg in moved.legs if leg.rate == plane.rate]
            for leg in legs:
                plane.update(leg)
                if leg.member is not None:
                    plane.rooms.join(leg)
                plane.rewire(leg)
            if legs:
                plane.make_up(legs, max(moved.tick, self._tick - HISTORY_TICKS), self._tick)

    def attach_since(self, tap: Tap, tick: int) -> list[object]:
        """Attach a tap that has all sound up to ``tick``, a tick before ``now``; what it has to say."""
        events: list[object] = []
        self._taps.attach_since(tap, tick, self._tick, events)
        return events

    def _run(self, plane: LivePlane, tick: int, time: float, behind: int, events: list[object]) -> None:
        start, io = tick * plane.tick, plane.io
        if io is not None:
            for digit in io.receive(start, time, events):
                _press(plane, digit, start)
        plane.begin(tick)
        plane.render(start, plane.tick)
        if io is not None:
            io.send(tick, plane.heard, quiet=behind > QUIET_TICKS)

    def _live_planes(self) -> list[LivePlane]:
        return cast("list[LivePlane]", list(self._planes.values()))

    def _new_plane(self, rate: int, tick: int) -> Plane:
        ports = self._ports if rate in (8000, 16000) else None
        return LivePlane(rate, tick, ports, self._random)

    # ---- for Commands ------------------------------------------------------------------------

    def legs_changed(self, name: str) -> None:
        pass  # leg_leaving was told before

    def leg_leaving(self, name: str, events: list[object]) -> None:
        self._taps.leg_changes(name, self._tick, events)

    def digit(self, digit: Digit, events: list[object]) -> None:
        self._taps.leg_changes(digit.leg, self._tick, events)
        super().digit(digit, events)

    def net_add(self, leg: Leg, source: RtpSource, now: int) -> None:
        io = cast("LivePlane", self.plane(leg.rate)).io
        if io is None:
            raise MediaError(
                f"leg {leg.name!r} cannot be on the network at {leg.rate} samples a second",
                hint="a live pump needs a pool of ports, and the leg a rate of 8000 or 16000",
            )
        io.add(leg.row, leg.name, source, now)

    def net_agree(self, leg: Leg, stream: RtpStream | None, now: int) -> None:
        io = cast("LivePlane", self.plane(leg.rate)).io
        assert io is not None
        io.agree(leg.row, stream, now)

    def net_digit(self, leg: Leg, digit: str, tone_s: float, gap_s: float) -> bool:
        io = cast("LivePlane", self.plane(leg.rate)).io
        assert io is not None
        return io.digit(leg.row, digit, tone_s, gap_s)

    def net_remove(self, leg: Leg, now: int, events: list[object]) -> None:
        io = cast("LivePlane", self.plane(leg.rate)).io
        assert io is not None
        events.append(io.remove(leg.row, now))


def _press(plane: LivePlane, digit: DigitAt, now: int) -> None:
    """A digit that came: it happens at its sample, on a tick, not before ``now`` and in order."""
    leg = plane.legs[digit.row]
    sample = max(digit.sample, now, leg.presses[-1][0] if leg.presses else 0)
    leg.presses.append((-(-sample // plane.tick) * plane.tick, digit.digit))
    plane.update(leg)
