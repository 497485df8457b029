"""Layer 2: the address guard for libraries that resolve names and connect by themselves: a proxy on loopback.

A library that is told to use it names the host, and the gate resolves it, asks the guard about each address,
and connects to one that is allowed. So the guard holds for every connection, after a redirect too. It serves
who has its token only, and passes bytes on without looking at them.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from callflow.delivery.stores.store import Ways, connected
from callflow.errors import BlockedAddress, DeliveryError
from callflow.log import logger

HEAD_BYTES = 65536
"""The longest head of a request (RFC 9112 3 wants 8,000 of its line at least)."""
BUFFER = 1024 * 1024
_AUTHORIZATION = re.compile(rb"(?i)\r\nproxy-authorization:[ \t]*basic[ \t]+([A-Za-z0-9+/=]+)[ \t]*(?=\r\n)")
_TARGET = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@]+):([0-9]{1,5})")


class Gate:
    """``url``: what a library is given as its proxy. ``problem``: why the last host was not connected to."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._token = secrets.token_hex(16)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._tasks: set[asyncio.Task[None]] = set()
        self.problem: DeliveryError | None = None

    @property
    def url(self) -> str:
        """With the token: it is shown nowhere."""
        return f"http://gate:{self._token}@127.0.0.1:{self._socket.getsockname()[1]}"

    async def serve(self) -> None:
        """Take connections until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                sock, _ = await loop.sock_accept(self._socket)
                sock.setblocking(False)
                task = asyncio.create_task(self._one(sock))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            self._socket.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _one(self, near: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        far: socket.socket | None = None
        try:
            head, rest = await _head(near)
            host, port, tunnel = self._asked(head)
            try:
                far = await connected(self._ways, host, port)
            except DeliveryError as error:
                if not isinstance(self.problem, BlockedAddress):
                    self.problem = error
                await loop.sock_sendall(
                    near, b"HTTP/1.1 502 Gate\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            if tunnel:
                await loop.sock_sendall(near, b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                rest = _AUTHORIZATION.sub(b"", head) + rest
            if rest:
                await loop.sock_sendall(far, rest)
            await self._between(near, far)
        except (OSError, ValueError):
            return  # the library sees the connection end, and says so
        except Exception:
            logger.exception("a fault in the gate of storage")
        finally:
            near.close()
            if far is not None:
                far.close()

    def _asked(self, head: bytes) -> tuple[str, int, bool]:
        """Host, port and whether it is to be a tunnel (CONNECT). Raises ValueError for whom it is not for."""
        found = _AUTHORIZATION.search(head)
        expected = base64.b64encode(f"gate:{self._token}".encode())
        if found is None or not hmac.compare_digest(found.group(1), expected):
            raise ValueError("not for you")
        method, target, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
        if method == "CONNECT":
            named = _TARGET.fullmatch(target)
            if named is None:
                raise ValueError("no host")
            return named.group(1), int(named.group(2)), True
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("no host")
        return parts.hostname, parts.port or 80, False

    async def _between(self, near: socket.socket, far: socket.socket) -> None:
        """Until either side ends, or nothing has moved for too long."""
        ways = [asyncio.create_task(_pass(near, far)), asyncio.create_task(_pass(far, near))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


@asynccontextmanager
async def gate(ways: Ways) -> AsyncIterator[Gate]:
    """A gate for as long as the block lasts."""
    made = Gate(ways)
    serving = asyncio.create_task(made.serve())
    try:
        yield made
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _head(sock: socket.socket) -> tuple[bytes, bytes]:
    """The first request's head, and what came behind it."""
    loop = asyncio.get_running_loop()
    taken = b""
    while b"\r\n\r\n" not in taken:
        piece = await loop.sock_recv(sock, 65536)
        if not piece or len(taken) > HEAD_BYTES:
            raise ValueError("no request")
        taken += piece
    head, end, rest = taken.partition(b"\r\n\r\n")
    return head + end, rest


async def _pass(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    buffer = bytearray(BUFFER)
    view = memoryview(buffer)
    while count := await loop.sock_recv_into(source, buffer):
        await loop.sock_sendall(target, view[:count])
