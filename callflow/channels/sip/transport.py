"""Layer 2: where SIP messages come from and go to: what transports give to the stack and take from it."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from callflow.errors import MalformedMessage, TransportFailed

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
Failed = Callable[[TransportFailed], None]
"""Told, never from within the call that sends, when a message could not be sent."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A peer's address. ``transport``: ``udp``, ``tcp`` or ``tls``; ``host``: a numeric address (IPv6 without
    brackets) or, for TLS, the name to verify. ``connection``: the number of an existing stream connection to
    send on while it lives (0: none).
    """

    transport: str
    host: str
    port: int
    connection: int = 0

    @property
    def reliable(self) -> bool:
        """Nothing is lost there without notice: TCP and TLS."""
        return self.transport != "udp"

    def __str__(self) -> str:
        return f"{self.transport}:{bracketed(self.host)}:{self.port}"


class Receiver(Protocol):
    """Who gets what transports receive: the stack."""

    def received(self, data: bytes, source: Hop, answer: Answer) -> None:
        """One datagram, or one message of a stream."""

    def refuse(self, data: bytes, source: Hop, answer: Answer, why: MalformedMessage) -> None:
        """The beginning of a message that is not read on: answer it if it can be."""


class Answer(Protocol):
    """The way back to where a message came from: the same socket, the same connection."""

    def send(self, data: bytes, hop: Hop) -> None:
        """Send a response to ``hop``; on a stream, through its connection while it lives."""


def bracketed(host: str) -> str:
    """An IPv6 address in brackets, as it stands in URIs and Via; anything else as it is."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def in_words(error: Exception) -> str:
    """Why a connection or a certificate failed, without what only programmers read (``[Errno 111]``,
    ``_ssl.c:1006``).
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@lru_cache(maxsize=4096)
def ip_version(host: str) -> int:
    """4 or 6 for a numeric address (with or without brackets), 0 for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).version
    except ValueError:
        return 0
