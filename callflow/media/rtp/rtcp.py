"""Layer 1: RTCP (RFC 3550 6): compound packets of SR, RR, SDES CNAME and BYE, read and written."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""
MOST_PACKETS = 32
"""Packets of one compound packet that are read."""
_SR, _RR, _SDES, _BYE = 200, 201, 202, 203
_CNAME = 1
_BLOCK = struct.Struct(">IIIIII")
_SENDER = struct.Struct(">IQIII")
_MOST = 31  # of blocks, chunks or sources in a packet: its count has 5 bits
_LOST_MAX = (1 << 23) - 1
_ROUND_TRIP_MAX = 1 << 31


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one SSRC (RFC 3550 6.4.1). ``fraction``: 0..255 of 256; ``jitter`` in units of
    the RTP clock; ``last_sr``: middle 32 bits of the NTP time of the last SR, ``delay``: since then, in
    1/65536 s.
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
    packets: list[RtcpPacket] = []
    at = 0
    for _ in range(MOST_PACKETS):
        if len(data) < at + 4 or data[at] >> 6 != 2:
            break
        count, kind = data[at] & 31, data[at + 1]
        length = 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        if at + length > len(data) or (at == 0 and kind not in (_SR, _RR)):
            break
        body = data[at + 4 : at + length]
        if data[at] & 32 and body:  # padding: only the last packet has it
            body = body[: -body[-1]] if 0 < body[-1] <= len(body) else b""
        match kind:
            case 200 if len(body) >= _SENDER.size:
                ssrc, ntp, timestamp, sent, octets = _SENDER.unpack_from(body)
                blocks = _blocks(body, _SENDER.size, count)
                packets.append(SenderReport(ssrc, ntp, timestamp, sent, octets, blocks))
            case 201 if len(body) >= 4:
                packets.append(ReceiverReport(int.from_bytes(body[:4], "big"), _blocks(body, 4, count)))
            case 202:
                packets += _names(body, count)
            case 203:
                count = min(count, len(body) // 4)
                packets.append(Goodbye(struct.unpack_from(f">{count}I", body)))
        at += length
    return packets


def _blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for _ in range(min(count, (len(body) - at) // _BLOCK.size)):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, at)
        lost = loss & 0xFFFFFF
        lost -= (lost >> 23) << 24
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
        at += _BLOCK.size
    return tuple(blocks)


def _names(body: bytes, count: int) -> list[SourceName]:
    """Chunks of an SDES: an SSRC and its items, ended by a zero, filled up to a whole word."""
    names = []
    at = 0
    for _ in range(count):
        if len(body) < at + 4:
            break
        ssrc = int.from_bytes(body[at : at + 4], "big")
        at += 4
        while at + 1 < len(body) and body[at]:
            size = body[at + 1]
            if body[at] == _CNAME:
                names.append(SourceName(ssrc, body[at + 2 : at + 2 + size].decode("utf-8", "replace")))
            at += 2 + size
        at += 4 - at % 4
    return names


def write_rtcp(packets: list[RtcpPacket]) -> bytes:
    """A compound packet. The first must be a report (RFC 3550 6.1)."""
    return b"".join(_write(packet) for packet in packets)


def _write(packet: RtcpPacket) -> bytes:
    if isinstance(packet, SenderReport):
        blocks = packet.blocks[:_MOST]
        sender = _SENDER.pack(
            packet.ssrc,
            packet.ntp & (1 << 64) - 1,
            packet.timestamp & 0xFFFFFFFF,
            packet.packets & 0xFFFFFFFF,
            packet.octets & 0xFFFFFFFF,
        )
        return _framed(_SR, len(blocks), sender + b"".join(map(_write_block, blocks)))
    if isinstance(packet, ReceiverReport):
        blocks = packet.blocks[:_MOST]
        body = packet.ssrc.to_bytes(4, "big") + b"".join(map(_write_block, blocks))
        return _framed(_RR, len(blocks), body)
    if isinstance(packet, SourceName):
        name = packet.cname.encode()[:255]
        chunk = packet.ssrc.to_bytes(4, "big") + bytes((_CNAME, len(name))) + name
        return _framed(_SDES, 1, chunk + bytes(4 - len(chunk) % 4))
    ssrcs = packet.ssrcs[:_MOST]
    return _framed(_BYE, len(ssrcs), struct.pack(f">{len(ssrcs)}I", *ssrcs))


def _framed(kind: int, count: int, body: bytes) -> bytes:
    return bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body


def _write_block(block: ReportBlock) -> bytes:
    lost = max(-_LOST_MAX - 1, min(_LOST_MAX, block.lost)) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc,
        max(0, min(255, block.fraction)) << 24 | lost,
        block.highest & 0xFFFFFFFF,
        max(0, block.jitter) & 0xFFFFFFFF,
        block.last_sr,
        block.delay & 0xFFFFFFFF,
    )


def ntp_time(unix_s: float) -> int:
    """64-bit NTP time of seconds since 1970."""
    return int((unix_s + NTP_EPOCH) * 2**32) & (1 << 64) - 1


def middle(ntp: int) -> int:
    """Middle 32 bits of an NTP time: 16 of seconds, 16 of fraction."""
    return ntp >> 16 & 0xFFFFFFFF


def round_trip_ms(block: ReportBlock, arrived_ntp: int) -> float:
    """Round trip of a report block about us that arrived at ``arrived_ntp`` (our clock); -1: not known
    (RFC 3550 6.4.1: A - LSR - DLSR).
    """
    if not block.last_sr:
        return -1.0
    units = (middle(arrived_ntp) - block.last_sr - block.delay) & 0xFFFFFFFF
    # A clock that is a little off gives a little less than nothing.
    return -1.0 if units >= _ROUND_TRIP_MAX else units * 1000 / 65536


@dataclass(slots=True)
class ReportMaker:
    """Makes the report blocks of one leg: remembers what the last report said and the peer's last SR."""

    _ssrc: int = -1
    _expected: int = 0
    _received: int = 0
    _last_sr: int = 0
    _came: int = field(default=0)

    def heard_sr(self, report: SenderReport, arrived_ntp: int) -> None:
        """The peer's SR came."""
        self._last_sr, self._came = middle(report.ntp), arrived_ntp

    def block(
        self, ssrc: int, highest: int, expected: int, received: int, jitter: float, ntp: int
    ) -> ReportBlock:
        """The block of the peer's stream at ``ntp`` (RFC 3550 A.3), from ``ReceiveStats``' ``ssrc``,
        ``highest``, ``expected_now``, ``received_now`` and ``jitter``.
        """
        if ssrc != self._ssrc:
            self._ssrc, self._expected, self._received = ssrc, 0, 0
        since, came = expected - self._expected, received - self._received
        self._expected, self._received = expected, received
        fraction = min(255, (since - came) * 256 // since) if since > 0 and came < since else 0
        delay = (ntp - self._came) >> 16 if self._last_sr else 0
        lost = max(-_LOST_MAX - 1, min(_LOST_MAX, expected - received))
        return ReportBlock(
            ssrc, fraction, lost, highest & 0xFFFFFFFF, int(jitter), self._last_sr, delay & 0xFFFFFFFF
        )
