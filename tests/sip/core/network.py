"""A caller and an answerer on loopback in virtual time, with a network between them that loses, repeats and
reorders datagrams.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.stack import SipStack
from callflow.channels.sip.transport import Hop
from callflow.clock import VirtualClock, run_virtual
from tests.sip.core.uas import Uas

LOOPBACK = "127.0.0.1"


@dataclass
class Weather:
    """How a relay treats datagrams; ``drop`` decides over the number-th datagram of a direction."""

    random: random.Random = field(default_factory=lambda: random.Random(0))
    loss: float = 0.0
    twice: float = 0.0
    delay_s: float = 0.0
    drop: Callable[[str, int, bytes], bool] = lambda side, number, data: False


class Relay:
    """UDP: the caller sends to ``hop``, the answerer answers to where it came from."""

    def __init__(self, weather: Weather, to: Hop) -> None:
        self._weather = weather
        self._to = to
        self._ends: dict[str, asyncio.DatagramTransport] = {}
        self._caller: Any = None
        self.seen: list[tuple[str, bytes]] = []

    async def open(self) -> Hop:
        loop = asyncio.get_running_loop()
        for side in ("caller", "answerer"):
            transport, _ = await loop.create_datagram_endpoint(
                lambda side=side: _End(self, side),  # type: ignore[misc]
                local_addr=(LOOPBACK, 0),
            )
            self._ends[side] = transport
        host, port = self._ends["caller"].get_extra_info("sockname")
        return Hop("udp", host, port)

    def arrived(self, side: str, data: bytes, source: Any) -> None:
        if side == "caller":
            self._caller = source
        number = sum(1 for seen, _ in self.seen if seen == side)
        self.seen.append((side, data))
        weather = self._weather
        if weather.drop(side, number, data) or weather.random.random() < weather.loss:
            return
        for _ in range(2 if weather.random.random() < weather.twice else 1):
            delay = weather.random.random() * weather.delay_s
            asyncio.get_running_loop().call_later(delay, self._forward, side, data)

    def _forward(self, side: str, data: bytes) -> None:
        if side == "caller":
            self._ends["answerer"].sendto(data, (self._to.host, self._to.port))
        else:
            self._ends["caller"].sendto(data, self._caller)

    def close(self) -> None:
        for end in self._ends.values():
            end.close()


class _End(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay, side: str) -> None:
        self._relay, self._side = relay, side

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._relay.arrived(self._side, data, addr)


class Plain:
    """A peer that speaks bytes over TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    @classmethod
    async def to(cls, hop: Hop) -> Plain:
        return cls(*await asyncio.open_connection(hop.host, hop.port))

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.next()

    async def next(self) -> bytes:
        """What comes next; b"" when the peer has closed."""
        try:
            return await self._reader.read(65_536)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


@dataclass
class Stage:
    """``hop``: where the caller sends."""

    clock: VirtualClock
    caller: SipStack
    answerer: SipStack
    at_caller: Uas
    uas: Uas
    hop: Hop
    relay: Relay | None


@asynccontextmanager
async def stage(
    clock: VirtualClock,
    *,
    transport: str = "udp",
    weather: Weather | None = None,
    limits: StackLimits | None = None,
    more: tuple[str, ...] = (),
) -> AsyncIterator[Stage]:
    """Two stacks; ``more``: transports that the answerer listens on besides, at the same port."""
    caller, answerer = SipStack(clock), SipStack(clock, limits=limits)
    at_caller, uas = Uas(caller), Uas(answerer)
    hop = await answerer.listen(transport, LOOPBACK, 0)
    for other in more:
        await answerer.listen(other, LOOPBACK, hop.port)
    await caller.listen("udp", LOOPBACK, 0)
    relay = None
    if weather is not None:
        relay = Relay(weather, hop)
        hop = await relay.open()
    try:
        yield Stage(clock, caller, answerer, at_caller, uas, hop, relay)
    finally:
        await caller.close()
        await answerer.close()
        if relay is not None:
            relay.close()
        await clock.sleep(0.01)


def played(main: Callable[[VirtualClock], Awaitable[None]]) -> None:
    """Run a test in virtual time."""

    async def run(clock: VirtualClock) -> None:
        await main(clock)

    clock = VirtualClock(0.0)
    run_virtual(run(clock), clock)
