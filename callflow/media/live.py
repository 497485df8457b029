"""Layer 1: the pump in live time: ticks of 10 ms by the clock, with RTP legs, and taps that are served lazily.

How a media process or ``InlineMedia`` uses it::

    ports = PortPool("127.0.0.1", 16384, 32768)
    pump = LivePump(ClipLoader(), ports)
    events = pump.command(command)                       # between ticks
    while clock.now() - pump.now >= TICK_S:              # late ticks are made up for, none is left out
        _, events = pump.advance(clock.now())            # exactly one tick
        events += host.settle()
    ports.refill()                                       # between ticks: binds a few ports ahead
    pump.close()                                         # sends BYE on every leg that is left
"""

from __future__ import annotations

from callflow.media.clips import ClipLoader
from callflow.media.pump import BLOCK_S, Pump
from callflow.media.rtp.ports import PortPool
from callflow.media.taps import Tap


class LivePump(Pump):
    """A ``Pump`` that does one tick at a time and carries RTP legs.

    Taps get their sound about twice a second, each at a time of its own, and at once where a sample counts:
    before a leg comes, goes or presses a digit, and wherever a tap's ``horizon`` says so. Who changes a tap
    (its points, whether it wants audio) calls ``catch_up(tap)`` before. ``ports`` None: no RTP legs.
    """

    def __init__(self, load: ClipLoader, ports: PortPool | None = None) -> None:
        super().__init__(load)
        raise NotImplementedError

    def advance(self, until: float, max_s: float = BLOCK_S) -> tuple[float, list[object]]:
        """One tick, if ``until`` (the clock's time) is at least one tick ahead of ``now``; else nothing:
        (until, []). ``max_s`` says nothing here. Never raises for what the network or a disk does.
        """
        raise NotImplementedError

    def catch_up(self, tap: Tap) -> list[object]:
        """Give ``tap`` all sound up to ``now``; what it has to say."""
        raise NotImplementedError

    def close(self) -> None:
        """Say BYE on every RTP leg and close its sockets. No events."""
        raise NotImplementedError
