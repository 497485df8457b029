"""Layer 2: the door for TLS connections: how many handshakes may be under way, of one address and in all.

asyncio's own server begins a handshake for whoever connects and tells nobody before it is through; here who
connects is counted first. (Ten thousand half-open handshakes cost more memory than all calls do.)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from callflow.channels.sip.limits import StackLimits
from callflow.log import logger

BACKLOG = 1024
REST_S = 1.0
"""So long nobody is let in after the system could not (no file descriptor left)."""


class TlsDoor:
    """Listens on ``host`` and ``port``; who is through the handshake gets a protocol of ``made``; ``refused``
    is told of each that is one too many. Raises OSError.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        limits: StackLimits,
        made: Callable[[], asyncio.Protocol],
        refused: Callable[[], None],
    ) -> None:
        self._context = context
        self._limits = limits
        self._made = made
        self._refused = refused
        self._per_address: Counter[str] = Counter()
        self._shaking: set[asyncio.Task[None]] = set()
        self._sock = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
        self._sock.setblocking(False)
        self.address: tuple[str, int] = self._sock.getsockname()[:2]
        self._task = asyncio.get_running_loop().create_task(self._accept())

    async def close(self) -> None:
        """Stop listening, and break off the handshakes that are not through."""
        tasks = (self._task, *self._shaking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(self._sock)
            except OSError as error:
                logger.error("TLS connections cannot be taken: %s", error.strerror)
                with suppress(TimeoutError):
                    async with asyncio.timeout(REST_S):
                        await loop.create_future()
                continue
            host = peer[0]
            full = self._per_address[host] >= self._limits.handshakes_per_address
            if full or len(self._shaking) >= self._limits.handshakes:
                sock.close()
                self._refused()
                continue
            self._per_address[host] += 1
            task = loop.create_task(self._shake(sock, host))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)

    async def _shake(self, sock: socket.socket, host: str) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._made, sock, ssl=self._context, ssl_handshake_timeout=self._limits.handshake_s
            )
        except (OSError, ValueError):  # ssl.SSLError is an OSError: who it was, nobody knows
            sock.close()
        except asyncio.CancelledError:
            sock.close()
            raise
        finally:
            self._per_address[host] -= 1
            if self._per_address[host] <= 0:
                del self._per_address[host]
