"""Layer 6: where the HTTP server listens, and how long it waits for slow clients."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from callflow.channels.sip.transport import bracketed
from callflow.errors import HttpListenError
from callflow.exchange.binding import TlsFiles
from callflow.exchange.exchange import Exchange
from callflow.log import logger
from callflow.server.app import build
from callflow.server.meter import Meter
from callflow.server.parts import Parts
from callflow.server.standing import Standing
from callflow.server.tokens import Tokens

DEFAULT_PORT = 8080
HIGHEST_PORT = 65_535
END_WITHIN_S = 5.0
"""So long answers that are under way have at the end."""
IDLE_S = 30.0
"""A connection on which no whole request head has come for so long is closed."""
LINGER_S = 2.0
"""So long the rest of a body that was refused is taken, so that its client reads why."""
UNREAD_S = 120
"""So is one whose client takes nothing of what is sent to it."""
MOST_CONNECTIONS = 500
"""More at once are closed unheard: calls need descriptors, too."""


@dataclass(frozen=True, slots=True)
class HttpBind:
    """``host`` is numeric (IPv6 without brackets); ``port`` 0: any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HttpBind:
        """Read ``HOST[:PORT]``, ``[IPV6]:PORT`` or ``:PORT``. Raises HttpListenError."""
        host, port = _split(text)
        try:
            address = ipaddress.ip_address("127.0.0.1" if host in ("", "localhost") else host)
        except ValueError:
            raise HttpListenError(
                f"--http {text}: {host!r} is no address", hint="give a numeric one, such as 127.0.0.1:8080"
            ) from None
        if port and not (port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT):
            raise HttpListenError(f"--http {text}: {port!r} is no port", hint="give 1 to 65535, or 0 for any")
        return cls(str(address), int(port) if port else DEFAULT_PORT)

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """``tls``: the certificate that it shows; ``plain``: without one, other machines may still reach it.
    ``names``: what it may be called by, where that counts: on loopback, and where there are any.
    """

    bind: HttpBind
    tls: TlsFiles | None = None
    plain: bool = False
    names: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises HttpListenError if tokens and recordings would cross a network for all to read."""
        if self.tls is None and not self.plain and not self.bind.loopback:
            raise HttpListenError(
                f"refuses to serve HTTP on {self.bind}: other machines can reach it, and tokens and "
                "recordings would go over the network unencrypted",
                hint="give --http-cert and --http-key; or --http-plain behind a proxy that does TLS; "
                "or --http 127.0.0.1:8080",
            )

    def context(self) -> ssl.SSLContext | None:
        """Raises ListenError for a certificate that cannot be used."""
        return self.tls.server_context() if self.tls is not None else None


class HttpServer:
    """The HTTP server of an exchange: made before it starts (it counts from then on), entered
    (``async with``) when it has. ``url``: where it is, without ``/`` at its end. Raises
    HttpListenError if it cannot listen.
    """

    def __init__(self, exchange: Exchange, options: HttpOptions) -> None:
        self.url = ""
        self._exchange = exchange
        self._options = options
        self._meter = Meter()
        self._unsubscribe = [exchange.bus.subscribe(self._meter.on_event)]

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        return self._options.bind.loopback

    async def __aenter__(self) -> HttpServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen."""
        options = self._options
        options.check()
        context, exchange = options.context(), self._exchange
        self._unsubscribe.append(exchange.engine.media.subscribe(self._meter.on_media))
        tokens = Tokens(exchange.engine.database, exchange.clock)
        self.parts = Parts(exchange, tokens, self._meter, Standing(exchange))
        named = self.loopback or options.names
        self.app = build(self.parts, tuple(each.lower() for each in options.names) if named else None)
        self.runner = web.AppRunner(
            self.app,
            access_log=None,
            logger=_LOG,
            shutdown_timeout=END_WITHIN_S,
            keepalive_timeout=IDLE_S,
            lingering_time=LINGER_S,
        )
        await self.runner.setup()
        loop = asyncio.get_running_loop()
        try:
            sock = _bound(options.bind)
            self._listener = await loop.create_server(
                self._connected,
                sock=sock,
                ssl=context,
                ssl_shutdown_timeout=LINGER_S if context is not None else None,  # else 30 s for each
            )
        except OSError as error:
            await self.runner.cleanup()
            raise HttpListenError(
                f"--http {options.bind} cannot be listened on: {error.strerror or error}",
                hint="see who listens on it, or choose another one",
            ) from error
        host, port = sock.getsockname()[:2]
        self.url = f"{'http' if context is None else 'https'}://{bracketed(host)}:{port}"
        self._exchange.engine.scripts.sessions.base_url = self.url  # of recording_url

    def _connected(self) -> asyncio.Protocol:
        """The other end of a new connection."""
        server = self.runner.server
        assert server is not None
        return server() if len(server.connections) < MOST_CONNECTIONS else _Full()

    async def close(self) -> None:
        """End what goes on for ever, let the rest end, and stop."""
        self.parts.closing.set()
        self._listener.close()
        await self.runner.cleanup()
        for unsubscribe in self._unsubscribe:
            unsubscribe()


def _ours(record: logging.LogRecord) -> bool:
    """Not what a client has sent that is no HTTP: strangers do not write our log."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, HttpProcessingError)


_LOG = logging.getLogger(f"{logger.name}.http")
_LOG.addFilter(_ours)


class _Full(asyncio.Protocol):
    """There are too many connections already."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _bound(bind: HttpBind) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # RFC 5482; connections have it from the listening socket
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S * 1000)
        sock.bind((bind.host, bind.port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


def _split(text: str) -> tuple[str, str]:
    if text.startswith("[") and "]" in text:
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    if text.isascii() and text.isdigit():
        return "", text
    host, _, port = text.partition(":")
    return host, port
