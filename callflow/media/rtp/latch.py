"""Layer 1: whose packets a leg takes, as values: addresses and times in, yes or no out.

Without ``latch`` only the negotiated address is listened to. With it (symmetric RTP, RFC 4961) the real
source may be another one: a NAT's. The negotiated address is believed at once; another port of its host, or
a port of a host that is ``near`` (the signalling came from there), after two packets that follow one another,
and for two seconds the negotiated one may still take over from it. Everybody else is a stranger, whatever
and how much he sends; only where ``near`` is None (configured so, or keys tell who it is) nobody is.
"""

from __future__ import annotations

from enum import Enum

from callflow.media.rtp.sockets import Address

TRIAL_S = 2.0
"""So long after another source was latched, the negotiated one still takes over."""
FORMER_S = 1.0
"""So long after a new address was agreed, the old one cannot be latched."""
CANDIDATES = 8
"""So many sources are tried at a time, so that a stranger who sprays does not hide the peer."""
_MIN_BYTES = 12


class Trust(Enum):
    """How sure the source is."""

    OPEN = "open"  # nobody yet
    TRIAL = "trial"  # somebody, but not the negotiated one
    SURE = "sure"


class Latch:
    """Of one leg and one agreement. ``source``: whose packets are taken; None: nobody's yet.

    ``wanted``: the negotiated address; ``follow``: sources of ``near`` may be latched too. ``former``:
    the source of the agreement before this one.
    """

    __slots__ = ("_candidates", "_former", "_since", "_until", "follow", "near", "source", "trust", "wanted")

    def __init__(
        self,
        wanted: Address,
        *,
        follow: bool,
        time: float,
        near: tuple[str, ...] | None = (),
        former: Address | None = None,
    ) -> None:
        self.wanted = wanted
        self.source: Address | None = None
        self.trust = Trust.OPEN
        self.follow = follow
        self.near = near
        self._former = former if former != wanted else None
        self._since = time
        self._until = 0.0
        self._candidates: dict[Address, tuple[bytes, int]] = {}  # SSRC, next sequence number

    def takes(self, source: Address, packet: memoryview, time: float) -> bool:
        """Whether ``packet`` (a datagram from ``source``) is the peer's. May latch."""
        if self.trust is Trust.SURE:
            return source == self.source
        if source == self.wanted:
            if not _is_rtp(packet):
                return False
            self._settle(source, Trust.SURE)
            return True
        if self.trust is Trust.TRIAL:
            if time >= self._until:
                self.trust = Trust.SURE
            return source == self.source
        return self.follow and self._may_be(source[0]) and self._tried(source, packet, time)

    def reopen(self, time: float) -> None:
        """The source has fallen silent: it, the negotiated one or another may be latched."""
        self.trust, self.source = Trust.OPEN, None
        self._former, self._since = None, time
        self._candidates.clear()

    def _may_be(self, host: str) -> bool:
        """Whether the peer may send from there."""
        return host == self.wanted[0] or self.near is None or host in self.near

    def _tried(self, source: Address, packet: memoryview, time: float) -> bool:
        if not _is_rtp(packet) or (source == self._former and time < self._since + FORMER_S):
            return False
        sequence, ssrc = int.from_bytes(packet[2:4]), bytes(packet[8:12])
        known = self._candidates.pop(source, None)
        if known != (ssrc, sequence):
            while len(self._candidates) >= CANDIDATES:
                del self._candidates[next(iter(self._candidates))]
            self._candidates[source] = (ssrc, (sequence + 1) & 0xFFFF)
            return False
        self._settle(source, Trust.TRIAL)
        self._until = time + TRIAL_S
        return True

    def _settle(self, source: Address, trust: Trust) -> None:
        self.source, self.trust = source, trust
        self._candidates.clear()


def _is_rtp(packet: memoryview) -> bool:
    """Version 2, long enough, and not RTCP on the same port (RFC 5761 4)."""
    return len(packet) >= _MIN_BYTES and packet[0] >> 6 == 2 and not 192 <= packet[1] <= 223
