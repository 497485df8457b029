"""Layer 2: SIP over UDP (RFC 3261 18): one asyncio datagram endpoint, no queue of ours."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Protocol, cast

from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.transport import Hop, Receiver, ip_version
from callflow.errors import ListenError, TransportFailed

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Asked of the kernel, so that a burst of calls is not lost before it is read."""


class _Endpoint(Protocol):
    """What asyncio's and uvloop's datagram transports both have."""

    def get_write_buffer_size(self) -> int: ...
    def is_closing(self) -> bool: ...
    def close(self) -> None: ...
    def sendto(self, data: bytes, addr: tuple[str, int]) -> None: ...


class UdpSocket(asyncio.DatagramProtocol):
    """One listening address."""

    def __init__(self, receiver: Receiver, limits: StackLimits) -> None:
        self._receiver = receiver
        self._limits = limits
        self._transport: _Endpoint | None = None
        self._error: Exception | None = None
        self._lost: asyncio.Future[None] | None = None
        self.host = ""
        self.port = 0
        self.version = 4
        self.dropped = 0
        """Datagrams that were not taken or not sent: over a bound."""

    async def open(self, host: str, port: int) -> None:
        """Raises ListenError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)  # ours: uvloop leaves one open that it cannot bind
        try:
            sock.setblocking(False)
            sock.bind((host, port))
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)
        except OSError as error:
            sock.close()
            raise ListenError(f"udp {host}:{port}: {error.strerror or error}") from None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("_Endpoint", transport)
        name = transport.get_extra_info("sockname")
        self.host, self.port = name[0], name[1]
        self.version = ip_version(self.host) or 4
        sock = transport.get_extra_info("socket")
        if sock is not None:
            _enlarge(sock)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(data) > self._limits.datagram_bytes:
            self.dropped += 1
            return
        if len(data) < 16:
            return  # a keep-alive (CRLF, NUL ...): nobody waits for an answer over UDP
        self._receiver.received(data, Hop("udp", addr[0], addr[1]), self)

    def error_received(self, exc: Exception) -> None:
        self._error = exc

    def send(self, data: bytes, hop: Hop) -> None:
        """A response: what cannot be sent is lost, as any datagram may be."""
        self.try_to_send(data, hop)

    def try_to_send(self, data: bytes, hop: Hop) -> TransportFailed | None:
        """Send now, never wait; gives why it could not be."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return TransportFailed(f"{hop}: the socket is closed")
        if ip_version(hop.host) != self.version:  # a name: asyncio would look it up, and block
            return TransportFailed(f"{hop}: not an address that this socket reaches")
        if transport.get_write_buffer_size() + len(data) > self._limits.unsent_bytes:
            self.dropped += 1
            return TransportFailed(f"{hop}: the network takes nothing")
        self._error = None
        try:
            transport.sendto(data, (hop.host, hop.port))
        except (OSError, ValueError) as error:
            self._error = error
        return None if self._error is None else TransportFailed(f"{hop}: {self._error}")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    async def close(self) -> None:
        """Close when what waits has been sent."""
        if self._transport is not None and self._lost is None:
            self._lost = asyncio.get_running_loop().create_future()
            self._transport.close()
            await self._lost


def _enlarge(sock: Any) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    except OSError:
        return
