"""Layer 2: one TCP or TLS connection that carries SIP (RFC 3261 18, RFC 5626 3.5.1 keep-alives)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from callflow.channels.sip.framing import PING, PONG, Framer
from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.transport import Failed, Hop, Receiver
from callflow.errors import TransportFailed


class Connection(asyncio.Protocol):
    """``hop``: the peer, with the number of this connection. Sending before it is up waits in a bounded
    queue; sending never waits for the peer: one that does not read is cut off.

    ``users``: the transactions that live on it, each told (if it wants) when the connection goes;
    ``touched``: when something last came or went (loop time).
    """

    def __init__(
        self,
        hop: Hop,
        receiver: Receiver,
        limits: StackLimits,
        closed: Callable[[Connection], None],
        opened: Callable[[Connection], None] | None = None,
    ) -> None:
        self.hop = hop
        self.local: tuple[str, int] = ("", 0)
        self.peer = ""
        """The numeric address of the other end, once it is up."""
        self.incoming = opened is not None
        self.users: dict[object, Failed | None] = {}
        self._receiver = receiver
        self._limits = limits
        self._closed = closed
        self._opened = opened
        self._framer = Framer(limits)
        self._transport: asyncio.Transport | None = None
        self._waiting: list[tuple[bytes, Failed | None]] = []
        self._waiting_bytes = 0
        self._loop = asyncio.get_running_loop()
        self.touched = self.since = self._loop.time()
        self.greeted = False
        """A whole message has come, or the connection is ours."""
        self.trusted = not self.incoming
        """It is ours, or somebody has proved on it who he is."""
        self.gone = False
        self._lost: asyncio.Future[None] | None = None

    @property
    def is_up(self) -> bool:
        return self._transport is not None and not self.gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        local = transport.get_extra_info("sockname")
        peer = transport.get_extra_info("peername")
        if local and peer:
            self.local, self.peer = (local[0], local[1]), peer[0]
            self.hop = Hop(self.hop.transport, self.hop.host or peer[0], peer[1], self.hop.connection)
        self.touched = self.since = self._loop.time()
        if self.gone:  # given up while it came up
            self._transport.abort()
            return
        if self._opened is not None:
            self._opened(self)
        waiting, self._waiting = self._waiting, []
        for data, failed in waiting:
            self.send(data, failed)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        was_within = self._framer.within
        now = self._loop.time()
        self.touched = now
        ponged = False
        for message in self._framer.feed(data):
            if message == PING:
                if not ponged:  # one for all that came at once: a flood is not answered with another
                    ponged = True
                    self.send(PONG)
                continue
            if self._framer.broken is not None:
                self._receiver.refuse(message, self.hop, self, self._framer.broken)
                transport.close()
                return
            self.greeted = True
            was_within = False
            self._receiver.received(message, self.hop, self)
            if self.gone:
                return
        if self._framer.within and not was_within:
            self.since = now  # a message has begun

    @property
    def is_late(self) -> bool:
        """It is too slow: no first message, or one that does not end."""
        now = self._loop.time()
        if self._framer.within:
            return now - self.since > self._limits.message_s
        return not self.greeted and now - self.since > self._limits.first_message_s

    @property
    def is_idle(self) -> bool:
        """Nothing has come or gone for long, and no transaction needs it."""
        patience_s = self._limits.idle_s if self.trusted else self._limits.stranger_idle_s
        return not self.users and self._loop.time() - self.touched > min(patience_s, self._limits.idle_s)

    def send(self, data: bytes, failed: Failed | Hop | None = None) -> None:
        """Send, or tell ``failed`` later why not."""
        told = failed if callable(failed) else None
        transport = self._transport
        if self.gone:
            self._tell(told, "the connection is closed")
            return
        unsent = self._waiting_bytes if transport is None else transport.get_write_buffer_size()
        if unsent + len(data) > self._limits.unsent_bytes:
            self._tell(told, "the peer does not read")
            self.abort("the peer does not read")
            return
        if transport is None:
            self._waiting.append((data, told))
            self._waiting_bytes += len(data)
            return
        self.touched = self._loop.time()
        transport.write(data)

    def _tell(self, failed: Failed | None, why: str) -> None:
        if failed is not None:
            self._loop.call_soon(failed, TransportFailed(f"{self.hop}: {why}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        self.give_up(str(exc) if exc else "the peer has closed the connection")

    def abort(self, why: str) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        self.give_up(why)

    def close(self) -> None:
        """Close when what was written has gone out."""
        if self._transport is not None:
            self._transport.close()
        self.give_up("we have closed the connection")

    async def closed(self) -> None:
        """Wait until the socket is closed: after ``abort`` or ``close``."""
        if self._transport is not None:
            self._lost = self._lost or self._loop.create_future()
            await self._lost

    def give_up(self, why: str) -> None:
        """It never came up, or it is over: tell everybody who waits for it."""
        if self.gone:
            return
        self.gone = True
        waiting, self._waiting = self._waiting, []
        for failed in {*(told for _, told in waiting), *self.users.values()}:
            self._tell(failed, why)
        self.users.clear()
        self._closed(self)
