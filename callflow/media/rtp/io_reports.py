"""Layer 1: RTCP of one leg (RFC 3550 6): what is said every five seconds or so, what comes, the goodbye."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from random import Random

from callflow.media.rtp.receive import ReceiveStats
from callflow.media.rtp.rows import RtpRow
from callflow.media.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    ReportMaker,
    RtcpPacket,
    SenderReport,
    SourceName,
    ntp_time,
    read_rtcp,
    round_trip_ms,
    write_rtcp,
)
from callflow.media.rtp.send import TICK_UNITS, SendState
from callflow.media.rtp.sockets import Address

EVERY_S = (4.0, 6.0)
"""Between two reports: 5 s, spread so that legs do not report together (RFC 3550 6.3.1)."""


@dataclass(frozen=True, slots=True)
class ReportsState:
    """What goes on when the leg moves to another process."""

    cname: str
    maker: ReportMaker
    due: float
    loss_there: float
    round_trip_ms: float


class Reports:
    """RTCP of ``row``. ``loss_there``: fraction the peer says it has lost; ``round_trip_ms`` -1: unknown."""

    __slots__ = ("_cname", "_maker", "_random", "_row", "_state", "due", "loss_there", "round_trip_ms")

    def __init__(self, row: RtpRow, state: SendState, random: Random, time: float) -> None:
        self._row = row
        self._state = state
        self._random = random
        self._maker = ReportMaker()
        self._cname = f"{random.getrandbits(64):016x}@{row.pair.place.host}"
        self.due = time + random.uniform(0.5, EVERY_S[0])
        self.loss_there = 0.0
        self.round_trip_ms = -1.0

    @property
    def state(self) -> ReportsState:
        """To be resumed elsewhere."""
        return ReportsState(self._cname, self._maker, self.due, self.loss_there, self.round_trip_ms)

    def resume(self, state: ReportsState) -> None:
        """Go on as another process's."""
        self._cname, self._maker, self.due = state.cname, state.maker, state.due
        self.loss_there, self.round_trip_ms = state.loss_there, state.round_trip_ms

    def send(self, stats: ReceiveStats, time: float) -> None:
        """Say how it goes."""
        self.due = time + self._random.uniform(*EVERY_S)
        self._transmit([*self._report(stats, time)])

    def goodbye(self, stats: ReceiveStats, time: float) -> None:
        """Say that the leg ends."""
        self._transmit([*self._report(stats, time), Goodbye((self._state.ssrc,))])

    def take(self, data: bytes, time: float) -> None:
        """A compound packet of the peer's has come (unprotected)."""
        now = ntp_time(time)
        for packet in read_rtcp(data):
            if isinstance(packet, SenderReport):
                self._maker.heard_sr(packet, now)
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.blocks:
                    if block.ssrc == self._state.ssrc:
                        self._about_us(block, now)

    def _about_us(self, block: ReportBlock, now: int) -> None:
        self.loss_there = block.fraction / 256
        found = round_trip_ms(block, now)
        if found >= 0:
            self.round_trip_ms = found

    def _report(self, stats: ReceiveStats, time: float) -> list[RtcpPacket]:
        state, now = self._state, ntp_time(time)
        blocks: tuple[ReportBlock, ...] = ()
        if stats.received_now > 0:
            numbers = (stats.ssrc, stats.highest, stats.expected_now, stats.received_now, stats.jitter)
            blocks = (self._maker.block(*numbers, now),)
        name = SourceName(state.ssrc, self._cname)
        sent = state.count
        if not sent:
            return [ReceiverReport(state.ssrc, blocks), name]
        stamp = state.timestamp(round(time * 100)) & 0xFFFFFFFF
        ticks = 2 if state.group is None else state.group.ticks
        octets = sent * ticks * TICK_UNITS
        return [SenderReport(state.ssrc, now, stamp, sent & 0xFFFFFFFF, octets & 0xFFFFFFFF, blocks), name]

    def _transmit(self, packets: list[RtcpPacket]) -> None:
        target = self._target()
        if target is None:
            return
        data: bytes | None = write_rtcp(packets)
        if self._row.srtp_out is not None:
            data = self._row.srtp_out.rtcp(data)  # type: ignore[arg-type]
        if data is None:
            return
        stream = self._row.stream
        with suppress(OSError):
            if stream is not None and stream.rtcp_mux:
                self._row.transmit_control(data)
            else:
                self._row.pair.rtcp.sendto(data, target)

    def _target(self) -> Address | None:
        stream, rtp = self._row.stream, self._row.target
        if stream is None or rtp is None:
            return None
        port = stream.rtcp_port if stream.rtcp_port and rtp == (stream.host, stream.port) else rtp[1] + 1
        return (rtp[0], port) if port < 65536 else None
