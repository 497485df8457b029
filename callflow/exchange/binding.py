"""Layer 5: where a server listens: ``127.0.0.1:5060``, ``udp:HOST:PORT``, ``tls:[::1]:5061`` ..."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from callflow.channels.sip.stack import SipStack
from callflow.channels.sip.transport import DEFAULT_PORTS, Hop, bracketed, in_words
from callflow.channels.sip.transports import free_port
from callflow.errors import ListenError

HIGHEST_PORT = 65_535
_FILES = "give PEM files: --tls-cert and --tls-key"


@dataclass(frozen=True, slots=True)
class Bind:
    """An address to listen on by each of ``transports``. ``host`` is numeric (IPv6 without brackets);
    ``port`` 0: any that is free.
    """

    transports: tuple[str, ...]
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Bind:
        """Read ``[udp:|tcp:|tls:]HOST[:PORT]``; without a transport it is UDP and TCP. Raises ListenError."""
        head, colon, rest = text.partition(":")
        named = colon and head.lower() in DEFAULT_PORTS
        transports = (head.lower(),) if named else ("udp", "tcp")
        host, port = _host_and_port(rest if named else text, text, DEFAULT_PORTS[transports[0]])
        try:
            address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError:
            raise ListenError(
                f"--bind {text}: {host!r} is no address", hint="give a numeric one, such as 127.0.0.1:5060"
            ) from None
        return cls(transports, str(address), port)

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def check(self) -> None:
        """Raises ListenError for an address that this machine does not have."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((self.host, 0))
        except OSError as error:
            why = f"this machine has no address {self.host}"
            raise ListenError(
                f"--bind {self}: {why if error.errno == errno.EADDRNOTAVAIL else error.strerror}",
                hint="0.0.0.0 is all that it has",
            ) from None

    def __str__(self) -> str:
        transport = f"{self.transports[0]}:" if len(self.transports) == 1 else ""
        return f"{transport}{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate (with its chain) and its key, as PEM files."""

    certificate: Path
    key: Path | None = None

    def server_context(self) -> ssl.SSLContext:
        """For who connects to us. Raises ListenError for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for file in (self.certificate, self.key):
            if file is not None:
                _readable(file)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ListenError(
                f"the certificate {self.certificate} cannot be used: {_why(error, self.key)}",
                hint=_FILES,
            ) from error
        return context


def _readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ListenError(
            f"the file {file} cannot be used: {error.strerror}",
            hint=_FILES,
        ) from error


def _why(error: Exception, key: Path | None) -> str:
    """OpenSSL says the same of a file that is no PEM and of one without the key."""
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the key belongs to another certificate"
    if reason is None or "PEM" in str(error):
        return "it is no certificate in PEM form, or its key is " + (
            "none" if key else "not in the same file"
        )
    return in_words(error)


async def listen(stack: SipStack, bind: Bind, tls: ssl.SSLContext | None) -> list[Hop]:
    """Listen on ``bind``; gives the addresses that it got. Raises ListenError."""
    port = bind.port if bind.port or len(bind.transports) == 1 else free_port(bind.host)
    return [
        await stack.listen(transport, bind.host, port, tls if transport == "tls" else None)
        for transport in bind.transports
    ]


def uri_of(hop: Hop) -> str:
    """What somebody calls to get there."""
    transport = {"udp": "", "tcp": ";transport=tcp", "tls": ";transport=tls"}[hop.transport]
    return f"sip:{bracketed(hop.host)}:{hop.port}{transport}"


def _host_and_port(rest: str, text: str, default: int) -> tuple[str, int]:
    """``HOST``, ``HOST:PORT``, ``[IPV6]:PORT``, ``IPV6``."""
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    elif rest.count(":") > 1:
        host, port = rest, ""
    else:
        host, _, port = rest.partition(":")
    if port and not (port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT):
        raise ListenError(f"--bind {text}: {port!r} is no port", hint="give 1 to 65535, or 0 for any")
    return host, int(port) if port else default
