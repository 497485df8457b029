"""Layer 1: the pump: all sound of a media worker, in ticks of 10 ms and blocks of many ticks.

How a block is exact: every leg knows the sample of its next happening (a digit, a playback's end), every
tap is asked how far it can go without saying something; the block ends at the first of them. Until then
nothing has changed, so a run in many small steps gives the same samples and events as one in few large steps.
What commands mean is in ``commands.py``; this file is time, blocks and taps.
"""

from __future__ import annotations

from callflow.errors import MediaError
from callflow.media.clips import ClipLoader
from callflow.media.commands import Commands
from callflow.media.crossing import meets
from callflow.media.leg import Leg
from callflow.media.messages import Digit, LegCommand, RtpSource, RtpStream
from callflow.media.mirrors import BlockMirrors
from callflow.media.plane import Plane
from callflow.media.taps import LegWatcher, Tap, legs_of
from callflow.media.wiring import Wire

TICKS_PER_S = 100
TICK_S = 1 / TICKS_PER_S
BLOCK_S = 0.5
_BLOCK_TICKS = round(BLOCK_S * TICKS_PER_S)
# A target this little (in ticks) short of a tick is that tick: sums of floats are not exact.
_SLACK = 1e-6


class Pump:
    """Carries the sound of all legs. Not thread-safe: one thread commands and advances it.

    Works on whole ticks (10 ms): ``now`` is always on the tick grid. Rates are multiples of 100 Hz.
    """

    def __init__(self, load: ClipLoader) -> None:
        self._tick = 0
        self._legs: dict[str, Leg] = {}
        self._planes: dict[int, Plane] = {}
        self._wires: dict[int, Wire] = {}  # by id of the tap
        self._listening: dict[str, set[Wire]] = {}  # by leg: the wires to find anew when it comes or goes
        self._watchers: list[LegWatcher] = []
        self._commands = Commands(load, self._legs, self)
        self._echoes = BlockMirrors()
        self._kept = 0  # up to that tick planes know what was before

    @property
    def now(self) -> float:
        """Engine seconds up to which sound has happened."""
        return self._tick / TICKS_PER_S

    @property
    def idle(self) -> bool:
        """Nothing is due and no tap wants audio: time may jump."""
        return not any(wire.tap.wants_audio for wire in self._wires.values()) and all(
            plane.quiet for plane in self._planes.values()
        )

    def command(self, command: LegCommand) -> list[object]:
        """Do it at ``now``. Returns what happened at once. A leg that is gone is no fault (``Play`` answers
        ``leg_gone``, the others do nothing). Raises MediaError for what never can be (two rates bridged,
        a leg added twice, a rate that is not a multiple of 100).
        """
        return self._commands.carry_out(command, self._tick)

    def attach(self, tap: Tap) -> None:
        """From ``now`` on ``tap`` gets its points' sound. Raises MediaError (twice; impossible rate)."""
        if id(tap) in self._wires:
            raise MediaError("this tap is attached already")
        self._wires[id(tap)] = Wire(tap, self.plane)

    def detach(self, tap: Tap) -> None:
        """No more calls to ``tap``. Unknown taps are ignored."""
        wire = self._wires.pop(id(tap), None)
        if wire is not None:
            self._forget(wire)

    def catch_up(self, tap: Tap) -> list[object]:
        """Give ``tap`` all sound up to ``now``, before it is changed; what it has to say. Here taps always
        have it; in live time they are served now and then.
        """
        return []

    def watch(self, watcher: LegWatcher) -> None:
        """Tell ``watcher`` of digits and removed legs, on the sample; its events are passed on."""
        self._watchers.append(watcher)

    def advance(self, until: float, max_s: float = BLOCK_S) -> tuple[float, list[object]]:
        """Run one block to at most ``min(until, now + max_s)``; shorter if something happens inside.

        While no tap wants audio a block may be longer than ``max_s``: nothing has to be computed.
        Returns (time reached, events). Less than a tick to go: (until, []).
        """
        end = int(until * TICKS_PER_S + _SLACK)
        if end <= self._tick:
            return until, []
        for plane in self._planes.values():
            end = min(end, plane.due_tick())
        wires = [wire for wire in self._wires.values() if wire.tap.wants_audio]
        events: list[object] = []
        if wires and end > self._tick:  # else something happens at this very tick
            longest = max(1, min(_BLOCK_TICKS, int(max_s * TICKS_PER_S + _SLACK)))
            end = self._sound(wires, min(end, self._tick + longest), events)
        self._tick = end
        for plane in self._planes.values():
            for leg in plane.due_legs(end * plane.tick):
                self._commands.happen(leg, end * plane.tick, events)
        return self.now, events

    def close(self) -> None:
        """The last call: free what the legs hold of the machine. Here nothing."""

    def _sound(self, wires: list[Wire], end: int, events: list[object]) -> int:
        """Make the sound up to tick ``end`` or a tap's horizon, give it to the taps; return the end."""
        now, ticks = self._tick, end - self._tick
        several = len(self._planes) > 1
        if several:
            if now != self._kept:
                for plane in self._planes.values():
                    plane.before[:] = 0
            self._echoes.sound(self._planes, now, ticks)
        for plane in self._planes.values():
            plane.render(now * plane.tick, ticks * plane.tick)
        blocks = []
        for wire in wires:
            if wire.stale or wire.points is not wire.tap.points:
                self._find(wire)
            tick = wire.plane.tick
            block = wire.block((end - now) * tick)
            blocks.append(block)
            ticks = min(ticks, max(1, -(-wire.tap.horizon(block) // tick)))
        time = self.now
        for wire, block in zip(wires, blocks, strict=True):
            n = ticks * wire.plane.tick
            events += wire.tap.commit(block if n == block.shape[1] else block[:, :n], time)
        if several:
            for plane in self._planes.values():
                plane.keep(ticks * plane.tick)
            self._kept = now + ticks
        return now + ticks

    # ---- for Commands ------------------------------------------------------------------------

    def plane(self, rate: int) -> Plane:
        """The rows of ``rate``. Raises MediaError for a rate without whole samples per tick."""
        if rate not in self._planes:
            if rate <= 0 or rate % TICKS_PER_S:
                raise MediaError(
                    f"a leg cannot have {rate} samples a second",
                    hint="Use a multiple of 100: 8000, 16000, 24000, 32000, 44100 or 48000.",
                )
            tick = rate // TICKS_PER_S
            self._planes[rate] = self._new_plane(rate, tick)
        return self._planes[rate]

    def meet(self, one: int, other: int) -> bool:
        """Whether legs of these rates can hear each other."""
        return meets(one, other)

    def rates_of(self, room: str) -> list[int]:
        """The rates of its members."""
        return [rate for rate, plane in self._planes.items() if room in plane.rooms]

    def _new_plane(self, rate: int, tick: int) -> Plane:
        return Plane(rate, tick, _BLOCK_TICKS * tick)

    def legs_changed(self, name: str) -> None:
        """A leg has come or gone: taps that listen to it must find it anew."""
        for wire in self._listening.get(name, ()):
            wire.stale = True

    def leg_leaving(self, name: str, events: list[object]) -> None:
        """A leg is about to come or go: who listens to it must have all sound up to now. Here it has."""

    def leg_removed(self, name: str, events: list[object]) -> None:
        """Tell the watchers."""
        for watcher in tuple(self._watchers):
            events += watcher.leg_removed(name, self.now)

    def digit(self, digit: Digit, events: list[object]) -> None:
        """Tell the watchers."""
        for watcher in tuple(self._watchers):
            events += watcher.digit(digit)

    def net_add(self, leg: Leg, source: RtpSource, now: int) -> None:
        """A leg on the network. Raises MediaError: only a ``LivePump`` can."""
        raise MediaError(f"leg {leg.name!r} is on the network: that needs live time")

    def net_agree(self, leg: Leg, stream: RtpStream | None, now: int) -> None:
        """Its agreement has changed."""

    def net_digit(self, leg: Leg, digit: str, tone_s: float, gap_s: float) -> bool:
        """Send it a digit as an event; False: no events were agreed."""
        return False

    def net_remove(self, leg: Leg, now: int, events: list[object]) -> None:
        """It is gone."""

    def _find(self, wire: Wire) -> None:
        self._forget(wire)
        wire.resolve(self._legs)
        for name in legs_of(wire.points):
            self._listening.setdefault(name, set()).add(wire)

    def _forget(self, wire: Wire) -> None:
        for name in legs_of(wire.points):
            listening = self._listening.get(name)
            if listening is not None:
                listening.discard(wire)
                if not listening:
                    del self._listening[name]
