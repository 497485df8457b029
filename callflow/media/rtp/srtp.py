"""Layer 1: SRTP (RFC 3711) with keys from SDES (RFC 4568), by libsrtp. Never raises for what is in a packet."""

from __future__ import annotations

from dataclasses import dataclass

from callflow.media.messages import SrtpKey

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""Suites that we do, best first."""
KEY_BYTES = 30
"""Master key (16) and salt (14) of both suites."""


@dataclass(slots=True)
class SrtpCounts:
    """Packets that were refused: ``forged`` (authentication failed, or no SRTP at all), ``replayed``."""

    forged: int = 0
    replayed: int = 0


class SrtpIn:
    """Unprotects what comes from a peer. ``counts`` tells what was refused."""

    counts: SrtpCounts

    def __init__(self, key: SrtpKey) -> None:
        """Raises MediaError for a suite or key that we cannot use."""
        raise NotImplementedError

    def rekey(self, key: SrtpKey) -> None:
        """A new agreement; the same key goes on as if nothing was said (its replay window is kept)."""
        raise NotImplementedError

    def rtp(self, packet: bytes) -> bytes | None:
        """The RTP packet in it; None: refused and counted."""
        raise NotImplementedError

    def rtcp(self, packet: bytes) -> bytes | None:
        """The RTCP packet in it; None: refused and counted."""
        raise NotImplementedError


class SrtpOut:
    """Protects what goes to a peer."""

    def __init__(self, key: SrtpKey) -> None:
        """Raises MediaError for a suite or key that we cannot use."""
        raise NotImplementedError

    def rekey(self, key: SrtpKey) -> None:
        """A new agreement; the same key goes on (its packet index is kept)."""
        raise NotImplementedError

    def rtp(self, packet: bytes) -> bytes | None:
        """The SRTP packet; None: it cannot be sent (used-up key, too long)."""
        raise NotImplementedError

    def rtcp(self, packet: bytes) -> bytes | None:
        """The SRTCP packet; None: it cannot be sent."""
        raise NotImplementedError


def make_key(suite: str, random: bytes) -> SrtpKey:
    """A key of ours from 30 random bytes."""
    raise NotImplementedError


def read_inline(suite: str, parameters: str) -> SrtpKey | None:
    """The key of an ``a=crypto`` line's key parameters (``inline:BASE64[|lifetime][|MKI:length]``, RFC 4568
    6.1); None: not one that we can use (another suite, a bad key, several keys or an MKI).
    """
    raise NotImplementedError


def write_inline(key: SrtpKey) -> str:
    """``inline:BASE64`` of a key."""
    raise NotImplementedError
