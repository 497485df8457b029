"""RTCP: reports written are reports read; loss, jitter and round trip as RFC 3550 has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callflow.media.rtp.rtcp import (
    MOST_PACKETS,
    Goodbye,
    ReceiverReport,
    ReportBlock,
    ReportMaker,
    SenderReport,
    SourceName,
    middle,
    ntp_time,
    read_rtcp,
    round_trip_ms,
    write_rtcp,
)

U32 = st.integers(0, 2**32 - 1)
BLOCK = st.builds(ReportBlock, U32, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), U32, U32, U32, U32)
BLOCKS = st.lists(BLOCK, max_size=31).map(tuple)
REPORT = st.one_of(
    st.builds(SenderReport, U32, st.integers(0, 2**64 - 1), U32, U32, U32, BLOCKS),
    st.builds(ReceiverReport, U32, BLOCKS),
)
OTHER = st.one_of(
    st.builds(SourceName, U32, st.text(max_size=60)),
    st.builds(Goodbye, st.lists(U32, max_size=31).map(tuple)),
)


@given(REPORT, st.lists(OTHER, max_size=4))
def test_what_is_written_is_read(report: SenderReport | ReceiverReport, others: list[SourceName]) -> None:
    packets = [report, *others]
    data = write_rtcp(list(packets))
    assert len(data) % 4 == 0
    assert read_rtcp(data) == packets


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    read_rtcp(data)
    read_rtcp(b"\x81\xc9" + data)


def test_a_compound_packet_begins_with_a_report() -> None:
    assert read_rtcp(write_rtcp([Goodbye((1,)), ReceiverReport(1)])) == []


def test_unknown_packets_are_passed_over_and_too_many_are_not_read() -> None:
    unknown = b"\x81\xcc\x00\x01abcd"
    data = write_rtcp([ReceiverReport(1)]) + unknown + write_rtcp([Goodbye((1,))])
    assert read_rtcp(data) == [ReceiverReport(1), Goodbye((1,))]
    assert len(read_rtcp(write_rtcp([ReceiverReport(1)] * 100))) == MOST_PACKETS


def test_a_report_that_is_cut_off_is_not_read() -> None:
    data = write_rtcp([SenderReport(1, 2, 3, 4, 5), Goodbye((1,))])
    assert read_rtcp(data[:-1]) == [SenderReport(1, 2, 3, 4, 5)]
    assert read_rtcp(data[:20]) == []


def test_loss_is_told_since_the_last_report_and_in_all() -> None:
    maker = ReportMaker()
    first = maker.block(7, 1100, 100, 90, 12.7, 0)
    assert (first.fraction, first.lost, first.highest, first.jitter) == (25, 10, 1100, 12)
    second = maker.block(7, 1200, 200, 190, 0.0, 0)
    assert (second.fraction, second.lost) == (0, 10)
    repeated = maker.block(7, 1300, 300, 310, 0.0, 0)  # more than expected: some came twice
    assert (repeated.fraction, repeated.lost) == (0, -10)
    other = maker.block(8, 20, 10, 0, 0.0, 0)
    assert (other.fraction, other.lost) == (255, 10)


def test_round_trip_is_what_passed_less_what_the_peer_took() -> None:
    ours, theirs = ReportMaker(), ReportMaker()
    sent = ntp_time(1_700_000_000.25)
    report = SenderReport(1, sent, 0, 0, 0)
    theirs.heard_sr(report, ntp_time(1_800_000_000.0))  # their clock is another one
    block = theirs.block(1, 0, 1, 1, 0.0, ntp_time(1_800_000_002.5))
    assert block.last_sr == middle(sent)
    assert abs(round_trip_ms(block, ntp_time(1_700_000_002.85)) - 100) < 0.1
    assert round_trip_ms(block, ntp_time(1_700_000_002.7)) == -1.0  # before it can be
    assert round_trip_ms(ours.block(1, 0, 1, 1, 0.0, sent), sent) == -1.0
