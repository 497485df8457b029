"""Layer 1: RTCP (RFC 3550 6): compound packets of SR, RR, SDES CNAME and BYE, read and written."""

from __future__ import annotations

from dataclasses import dataclass

NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one SSRC (RFC 3550 6.4.1). ``fraction``: 0..255 of 256; ``jitter`` in units of
    the RTP clock; ``last_sr``: middle 32 bits of the NTP time of the last SR, ``delay``: since then, 1/65536 s.
    """

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_sr: int
    delay: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """``ntp``: 64-bit NTP time; ``timestamp``: the same instant on the RTP clock; what was sent up to now."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Reports of somebody who does not send."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceName:
    """SDES: the CNAME of an SSRC, as text from the network."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE of some SSRCs."""

    ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | SourceName | Goodbye


def read_rtcp(data: bytes) -> list[RtcpPacket]:
    """Packets of a compound packet; empty for what is none. What is not known in it is passed over. Bounded:
    at most 32 packets, 31 blocks each.
    """
    raise NotImplementedError


def write_rtcp(packets: list[RtcpPacket]) -> bytes:
    """A compound packet. The first must be a report (RFC 3550 6.1)."""
    raise NotImplementedError


def is_rtcp(data: bytes) -> bool:
    """Whether a packet on a shared port is RTCP (RFC 5761 4: payload types 64..95 with the marker bit)."""
    raise NotImplementedError


def ntp_time(unix_s: float) -> int:
    """64-bit NTP time of seconds since 1970."""
    raise NotImplementedError


def middle(ntp: int) -> int:
    """Middle 32 bits of an NTP time: 16 of seconds, 16 of fraction."""
    raise NotImplementedError


def round_trip_ms(block: ReportBlock, arrived_ntp: int) -> float:
    """Round trip of a report block about us that arrived at ``arrived_ntp`` (our clock); -1: not known."""
    raise NotImplementedError


class ReportMaker:
    """Makes the report blocks of one leg: remembers what the last report said and the peer's last SR."""

    def heard_sr(self, report: SenderReport, arrived_ntp: int) -> None:
        """The peer's SR came."""
        raise NotImplementedError

    def block(self, ssrc: int, highest: int, expected: int, received: int, jitter: float, ntp: int) -> ReportBlock:
        """The block of the peer's stream at ``ntp`` (RFC 3550 A.3), from ``ReceiveStats``' ``ssrc``, ``highest``,
        ``expected_now``, ``received_now`` and ``jitter``.
        """
        raise NotImplementedError
