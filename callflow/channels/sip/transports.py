"""Layer 2: all transports of a stack: listening sockets, the pool of connections, the choice between them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.transport import (
    DEFAULT_PORTS,
    Failed,
    Hop,
    Receiver,
    bracketed,
    in_words,
    ip_version,
)
from callflow.channels.sip.transport_door import BACKLOG, TlsDoor
from callflow.channels.sip.transport_stream import Connection
from callflow.channels.sip.transport_udp import UdpSocket
from callflow.errors import ListenError, TransportFailed

_TRIES = 20
"""How often a free port is looked for that both UDP and TCP can have."""
_ANY = {"0.0.0.0", "::"}


class Transports:
    """Everything that the stack sends or receives goes through here."""

    def __init__(self, receiver: Receiver, limits: StackLimits, tls_client: ssl.SSLContext | None) -> None:
        self._receiver = receiver
        self._limits = limits
        self._tls_client = tls_client
        self._udp: list[UdpSocket] = []
        self._servers: list[tuple[Hop, asyncio.Server | TlsDoor]] = []
        self._connections: dict[int, Connection] = {}
        self._by_peer: dict[tuple[str, str, int], Connection] = {}
        self._per_address: Counter[str] = Counter()
        self._last = 0
        self._connecting: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._sources: dict[str, str] = {}
        self.gone: Callable[[Hop], None] = lambda hop: None
        self.refused = 0
        """Connections that were not taken: over a bound."""

    async def listen(self, transport: str, host: str, port: int, tls: ssl.SSLContext | None) -> Hop:
        """Raises ListenError."""
        if transport == "udp":
            sock = UdpSocket(self._receiver, self._limits)
            await sock.open(host, port)
            self._udp.append(sock)
            return Hop("udp", sock.host, sock.port)
        if transport not in ("tcp", "tls"):
            raise ListenError(f"{transport}: only udp, tcp and tls can be listened on")
        if transport == "tls" and tls is None:
            raise ListenError("tls: a certificate is needed to listen")
        loop = asyncio.get_running_loop()
        server: asyncio.Server | TlsDoor
        try:
            if tls is not None and transport == "tls":
                server = TlsDoor(host, port, tls, self._limits, lambda: self._incoming("tls"), self._refuse)
                name = server.address
            else:
                server = await loop.create_server(
                    lambda: self._incoming(transport), host, port, backlog=BACKLOG
                )
                name = server.sockets[0].getsockname()
        except OSError as error:
            raise ListenError(f"{transport} {host}:{port}: {in_words(error)}") from None
        hop = Hop(transport, name[0], name[1])
        self._servers.append((hop, server))
        return hop

    def _refuse(self) -> None:
        self.refused += 1

    # -- connections

    def _incoming(self, transport: str) -> Connection:
        self._last += 1
        hop = Hop(transport, "", 0, self._last)
        return Connection(hop, self._receiver, self._limits, self._forget, self._welcome)

    def _welcome(self, connection: Connection) -> None:
        """An incoming connection is up: take it, or over a bound close it."""
        host = connection.hop.host
        full = self._per_address[host] >= self._limits.connections_per_address
        if full or (len(self._connections) >= self._limits.connections and not self._evict()):
            self.refused += 1
            connection.abort("too many connections")
            return
        self._per_address[host] += 1
        self._remember(connection)

    def _evict(self) -> bool:
        """Close the connection that has been silent longest, a stranger's first, if one is not in use."""
        idle = [known for known in self._connections.values() if not known.users and known.is_up]
        if not idle:
            return False
        min(idle, key=lambda known: (known.trusted, known.touched)).close()
        return True

    def trust(self, hop: Hop) -> None:
        """Somebody who may has sent something on this connection."""
        known = self._connections.get(hop.connection)
        if known is not None:
            known.trusted = True

    def _remember(self, connection: Connection) -> None:
        self._connections[connection.hop.connection] = connection
        self._by_peer[_peer(connection.hop)] = connection
        self._schedule_sweep()

    def _forget(self, connection: Connection) -> None:
        known = self._connections.pop(connection.hop.connection, None)
        if known is None:
            return
        self.gone(connection.hop)
        if self._by_peer.get(_peer(connection.hop)) is connection:
            del self._by_peer[_peer(connection.hop)]
        if connection.incoming:
            self._per_address[connection.hop.host] -= 1
            if self._per_address[connection.hop.host] <= 0:
                del self._per_address[connection.hop.host]

    def connection(self, hop: Hop, quick: bool = False) -> Connection:
        """The connection to ``hop``: the numbered one while it lives, one to the same address, or a new one;
        ``quick``: only a try, with less patience.
        """
        known = self._connections.get(hop.connection)
        if known is None or _peer(known.hop) != _peer(hop):  # a number of before a restart leads nowhere
            known = self._by_peer.get(_peer(hop))
        if known is not None and not known.gone:
            return known
        self._last += 1
        made = Connection(
            Hop(hop.transport, hop.host, hop.port, self._last), self._receiver, self._limits, self._forget
        )
        made.greeted = True
        if len(self._connections) >= self._limits.connections and not self._evict():
            self.refused += 1
            made.give_up("too many connections")
            return made
        self._remember(made)
        task = asyncio.get_running_loop().create_task(self._connect(made, hop, quick))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return made

    async def _connect(self, made: Connection, hop: Hop, quick: bool) -> None:
        context: ssl.SSLContext | None = None
        if hop.transport == "tls":
            if self._tls_client is None:
                self._tls_client = ssl.create_default_context()
            context = self._tls_client
        patience = self._limits.big_connect_s if quick else self._limits.connect_s
        try:
            async with asyncio.timeout(patience):
                await asyncio.get_running_loop().create_connection(
                    lambda: made,
                    hop.host,
                    hop.port,
                    ssl=context,
                    server_hostname=hop.host if context else None,
                )
        except TimeoutError:
            made.give_up(f"no connection in {patience:g} s")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            made.give_up(f"no connection: {in_words(error)}")

    # -- sending

    def send(self, data: bytes, hop: Hop, failed: Failed, quick: bool = False) -> Connection | None:
        """Send a request; gives the connection it goes by. ``failed`` is told later."""
        if hop.transport in ("tcp", "tls"):
            connection = self.connection(hop, quick)
            connection.send(data, failed)
            return connection
        error: TransportFailed | None = TransportFailed(f"{hop}: we do not listen on such an address")
        sock = self._udp_to(hop.host) if hop.transport == "udp" else None
        if sock is not None:
            error = sock.try_to_send(data, hop)
        if error is not None:
            asyncio.get_running_loop().call_soon(failed, error)
        return None

    def _udp_to(self, host: str) -> UdpSocket | None:
        version = ip_version(host)
        return next((sock for sock in self._udp if sock.version == version), None)

    def speaks(self, version: int) -> bool:
        """Whether UDP can be sent to such addresses (4 or 6)."""
        return any(sock.version == version for sock in self._udp)

    # -- our addresses

    def local(self, hop: Hop) -> tuple[str, int]:
        """Our address as that peer reaches us: host (IPv6 in brackets) and listening port."""
        if hop.transport == "udp":
            sock = self._udp_to(hop.host)
            host, port = (sock.host, sock.port) if sock else ("", DEFAULT_PORTS["udp"])
            return bracketed(self._seen(host, hop.host)), port
        connection = self._connections.get(hop.connection)
        ours = [at for at, _ in self._servers if at.transport == hop.transport]
        version = ip_version(hop.host)
        at = next((at for at in ours if ip_version(at.host) == version), ours[0] if ours else None)
        if connection is not None and connection.local[0]:
            return bracketed(connection.local[0]), at.port if at else connection.local[1]
        if at is not None:
            return bracketed(self._seen(at.host, hop.host)), at.port
        host = self._udp[0].host if self._udp else ""
        return bracketed(self._seen(host, hop.host)), self._udp[0].port if self._udp else 5060

    def _seen(self, host: str, peer: str) -> str:
        """The address we bound, or where that is any: the one the kernel would send from."""
        if host and host not in _ANY:
            return host
        version = ip_version(peer)
        if not version:
            return "127.0.0.1" if host != "::" else "::1"
        if peer not in self._sources:
            if len(self._sources) > 4096:
                self._sources.clear()
            self._sources[peer] = _source(peer, version)
        return self._sources[peer]

    # -- keeping house

    def _schedule_sweep(self) -> None:
        if self._sweep is None and self._connections:
            limits = self._limits
            least = min(limits.idle_s, limits.stranger_idle_s, limits.message_s, limits.first_message_s)
            seconds = max(0.05, least / 3)
            self._sweep = asyncio.get_running_loop().call_later(seconds, self._swept)

    def _swept(self) -> None:
        self._sweep = None
        for connection in list(self._connections.values()):
            if connection.is_up and connection.is_late:
                connection.abort("the peer is too slow")
            elif connection.is_up and connection.is_idle:
                connection.close()
        self._schedule_sweep()

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for _, server in self._servers:
            if isinstance(server, TlsDoor):
                await server.close()
            else:
                server.close()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        connections = list(self._connections.values())
        for connection in connections:
            connection.abort("the stack is closed")
        for connection in connections:
            await connection.closed()
        for sock in self._udp:
            await sock.close()


def _peer(hop: Hop) -> tuple[str, str, int]:
    return (hop.transport, hop.host, hop.port)


def _source(peer: str, version: int) -> str:
    """Our address for packets to ``peer``: a connected UDP socket knows, and sends nothing."""
    with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer.strip("[]"), 9))
        except OSError:
            return "::1" if version == 6 else "127.0.0.1"
        name: str = probe.getsockname()[0]
        return name


def free_port(host: str) -> int:
    """A port that neither UDP nor TCP uses at this moment. Raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(_TRIES):
        with (
            socket.socket(family, socket.SOCK_STREAM) as tcp,
            socket.socket(family, socket.SOCK_DGRAM) as udp,
        ):
            try:
                tcp.bind((host, 0))
                port: int = tcp.getsockname()[1]
                udp.bind((host, port))
            except OSError:
                continue
            return port
    raise ListenError(f"there is no free port on {host}", hint="name one with --bind")
