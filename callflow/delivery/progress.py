"""Layer 2: a time-out on standing still, not on the whole: an upload may take hours as long as bytes move."""

from __future__ import annotations

import asyncio
import struct
import sys
from types import TracebackType

if sys.platform == "linux":
    import fcntl
    import termios

    def _unsent(transport: asyncio.Transport) -> int:
        """Bytes that the other side has not acknowledged yet (SIOCOUTQ, tcp(7))."""
        sock = transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return 0
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
        except OSError:
            return 0
        return int(count)

else:  # pragma: no cover

    def _unsent(transport: asyncio.Transport) -> int:
        """Not known here: only what leaves our own buffer counts as progress."""
        return 0


class Progress:
    """``async with Progress(30):`` raises TimeoutError after 30 seconds without ``step()``.

    ``watch(transport)``: bytes that leave this machine count as steps too, so that a slow reader behind
    large socket buffers is not taken for a dead one. ``doing`` says in words what is being waited for.
    ``grace``: so much longer may the first step take (connecting has a time-out of its own).
    """

    def __init__(self, seconds: float, doing: str, *, grace: float = 0.0) -> None:
        self.seconds = seconds
        self.doing = doing
        self._grace = grace
        self._timeout = asyncio.timeout(None)
        self._transport: asyncio.Transport | None = None
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Progress:
        await self._timeout.__aenter__()
        self._timeout.reschedule(self._loop.time() + self._grace + self.seconds)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        await self._timeout.__aexit__(kind, error, trace)

    def step(self, doing: str = "") -> None:
        """Something moved: the time begins anew."""
        self.doing = doing or self.doing
        if not self._timeout.expired():
            self._timeout.reschedule(self._loop.time() + self.seconds)

    def watch(self, transport: asyncio.Transport) -> None:
        """Look at what waits to leave through ``transport`` until the end."""
        self._transport = transport
        self._waiting = 0
        if self._timer is None:
            self._look()

    def _look(self) -> None:
        transport = self._transport
        if transport is not None:
            waiting = transport.get_write_buffer_size() + _unsent(transport)
            if waiting < self._waiting:
                self.step()
            self._waiting = waiting
        self._timer = self._loop.call_later(min(1.0, self.seconds / 8), self._look)
