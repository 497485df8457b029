"""Layer 1: SRTP (RFC 3711) with keys from SDES (RFC 4568), by libsrtp. No packet makes it raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pylibsrtp

from callflow.errors import MediaError
from callflow.media.messages import SrtpKey

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""Suites that we do, best first."""
KEY_BYTES = 30
"""Master key (16) and salt (14) of both suites."""
_PROFILES = {
    SUITES[0]: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    SUITES[1]: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
# Jitter and reordering of a second at 10 ms a packet; libsrtp's own 128 would refuse some of it.
_WINDOW = 256
_STRIDE = 0x7000


@dataclass(slots=True)
class SrtpCounts:
    """Packets that were refused: ``forged`` (authentication failed, or no SRTP at all), ``replayed``."""

    forged: int = 0
    replayed: int = 0


def _session(key: SrtpKey, direction: int) -> pylibsrtp.Session:
    if key.suite not in _PROFILES or len(key.key) != KEY_BYTES:
        raise MediaError(
            f"SRTP cannot be done with suite {key.suite[:40]!r} and a key of {len(key.key)} bytes",
            hint=f"Suites are {' and '.join(SUITES)}, each with {KEY_BYTES} bytes of key and salt.",
        )
    policy = pylibsrtp.Policy(key=key.key, ssrc_type=direction, srtp_profile=_PROFILES[key.suite])
    policy.window_size = _WINDOW
    return pylibsrtp.Session(policy=policy)


@dataclass(slots=True)
class SrtpPlace:
    """How far a direction has got: what libsrtp knows, and cannot be asked. ``index``: of the last RTP
    packet, roll-over counter and sequence number (RFC 3711 3.3.1), -1: none yet. ``controls``: SRTCP packets.
    """

    ssrc: bytes = b""
    index: int = -1
    controls: int = 0

    def note(self, packet: bytes) -> None:
        """An RTP packet has passed."""
        sequence = packet[2] << 8 | packet[3]
        if packet[8:12] != self.ssrc or self.index < 0:  # of another source: counted from 0 again
            self.ssrc, self.index = packet[8:12], sequence
            return
        ahead = (sequence - self.index) & 0xFFFF
        if ahead < 0x8000:
            self.index += ahead


def _steps(place: SrtpPlace) -> Iterator[bytes]:
    """Packets that bring a new session's roll-over counter to where ``place`` is: it follows the sequence
    number in steps of less than half of its range, and begins with 0.
    """
    if place.index < 0:
        return
    at = min(place.index, _STRIDE)
    while True:
        yield b"\x80\0" + (at & 0xFFFF).to_bytes(2) + bytes(4) + place.ssrc
        if at == place.index:
            return
        at = min(place.index, at + _STRIDE)


class SrtpIn:
    """Unprotects what comes from a peer. ``counts``: what was refused. Can be pickled, with its place."""

    def __init__(self, key: SrtpKey) -> None:
        """Raises MediaError for a suite or key that we cannot use."""
        self._key = key
        self._session = _session(key, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._place = SrtpPlace()
        self.counts = SrtpCounts()

    def __reduce__(self) -> tuple[Callable[..., SrtpIn], tuple[SrtpKey, SrtpPlace, SrtpCounts]]:
        return SrtpIn.resumed, (self._key, self._place, self.counts)

    @classmethod
    def resumed(cls, key: SrtpKey, place: SrtpPlace, counts: SrtpCounts) -> SrtpIn:
        """Another process's, gone on with. (What came there just before could come here once again.)"""
        made = cls(key)
        made._place, made.counts = place, counts
        peer = _session(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        for packet in _steps(place):
            made._session.unprotect(peer.protect(packet))
        return made

    def rekey(self, key: SrtpKey) -> None:
        """A new agreement; the same key goes on as if nothing was said (its replay window is kept)."""
        if key != self._key:
            self._session = _session(key, pylibsrtp.Policy.SSRC_ANY_INBOUND)
            self._key, self._place = key, SrtpPlace()

    def rtp(self, packet: bytes) -> bytes | None:
        """The RTP packet in it; None: refused and counted."""
        plain = self._open(self._session.unprotect, packet)
        if plain is not None:
            self._place.note(plain)
        return plain

    def rtcp(self, packet: bytes) -> bytes | None:
        """The RTCP packet in it; None: refused and counted."""
        return self._open(self._session.unprotect_rtcp, packet)

    def _open(self, unprotect: Callable[[bytes], bytes], packet: bytes) -> bytes | None:
        try:
            return unprotect(packet)
        except pylibsrtp.Error as error:
            if "replay" in str(error):
                self.counts.replayed += 1
            else:
                self.counts.forged += 1
        except ValueError:  # longer than any packet of ours
            self.counts.forged += 1
        return None


class SrtpOut:
    """Protects what goes to a peer. Can be pickled, with its place."""

    def __init__(self, key: SrtpKey) -> None:
        """Raises MediaError for a suite or key that we cannot use."""
        self._key = key
        self._session = _session(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._place = SrtpPlace()

    def __reduce__(self) -> tuple[Callable[..., SrtpOut], tuple[SrtpKey, SrtpPlace]]:
        return SrtpOut.resumed, (self._key, self._place)

    @classmethod
    def resumed(cls, key: SrtpKey, place: SrtpPlace) -> SrtpOut:
        """Another process's, gone on with: no index is used twice."""
        made = cls(key)
        made._place = place
        for packet in _steps(place):
            made._session.protect(packet)
        for _ in range(place.controls):
            made._session.protect_rtcp(b"\x80\xc9\0\1" + (place.ssrc or bytes(4)))
        return made

    def rekey(self, key: SrtpKey) -> None:
        """A new agreement; the same key goes on (its packet index is kept)."""
        if key != self._key:
            self._session = _session(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
            self._key, self._place = key, SrtpPlace()

    def rtp(self, packet: bytes) -> bytes | None:
        """The SRTP packet; None: it cannot be sent (used-up key, too long)."""
        protected = _close(self._session.protect, packet)
        if protected is not None:
            self._place.note(packet)
        return protected

    def rtcp(self, packet: bytes) -> bytes | None:
        """The SRTCP packet; None: it cannot be sent."""
        protected = _close(self._session.protect_rtcp, packet)
        if protected is not None:
            self._place.controls += 1
        return protected


def _close(protect: Callable[[bytes], bytes], packet: bytes) -> bytes | None:
    try:
        return protect(packet)
    except (pylibsrtp.Error, ValueError):
        return None
