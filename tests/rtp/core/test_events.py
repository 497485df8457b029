"""telephone-events (RFC 4733): each digit told once whatever is lost; events as they are to be sent."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.media.rtp.events import EVENT_DIGITS, MOST_WAITING, EventPacket, EventSender, EventTracker


def sent(digits: str, tone_s: float = 0.1, gap_s: float = 0.1, ptime_ms: int = 20) -> list[EventPacket]:
    """All packets of some digits."""
    sender = EventSender(ptime_ms=ptime_ms)
    for digit in digits:
        sender.press(digit, tone_s, gap_s)
    packets, time = [], 2**32 - 500  # the timestamp wraps
    while sender.busy:
        now, kept_back = sender.next(time)
        assert bool(now) == kept_back
        packets += now
        time += 8 * ptime_ms
    return packets


def told(packets: list[EventPacket]) -> str:
    tracker = EventTracker()
    return "".join(tracker.take(one.payload, one.timestamp % 2**32, one.marker) for one in packets)


def parts(packet: EventPacket) -> tuple[int, bool, int]:
    code, flags, *duration = packet.payload
    return code, flags >= 0x80, int.from_bytes(bytes(duration), "big")


def test_an_event_as_it_is_sent() -> None:
    packets = sent("5")
    assert len({one.timestamp for one in packets}) == 1
    assert [one.marker for one in packets] == [True] + [False] * 6
    assert [parts(one) for one in packets] == [
        (5, False, 160), (5, False, 320), (5, False, 480), (5, False, 640),
        (5, True, 800), (5, True, 800), (5, True, 800),
    ]  # fmt: skip
    assert packets[0].payload[1] & 63 == 10


def test_gaps_are_kept() -> None:
    first, second = sorted({one.timestamp for one in sent("12", 0.1, 0.06)})
    assert second - first == 8 * (100 + 60)


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 60])
def test_all_digits_are_told_once_in_order(ptime_ms: int) -> None:
    assert told(sent(EVENT_DIGITS + "112", ptime_ms=ptime_ms)) == EVENT_DIGITS + "112"


def test_lost_starts_lost_ends_and_repeats() -> None:
    packets = sent("1123")
    assert told([one for one in packets if not one.marker]) == "1123"
    assert told([one for one in packets if not parts(one)[1]]) == "1123"
    assert told([one for one in packets for _ in range(3)]) == "1123"
    assert told(packets[:7] + packets[5:7] + packets[7:]) == "1123"
    assert told(packets[:8] + packets[6:7] + packets[8:]) == "1123"  # an end that comes late


@given(st.lists(st.booleans(), min_size=28, max_size=28))
def test_whatever_is_lost_no_digit_is_told_twice(kept: list[bool]) -> None:
    packets = sent("1234")
    got = [one for one, keep in zip(packets, kept, strict=True) if keep]
    assert told(got) == "".join(digit for digit in "1234" if any(parts(one)[0] == int(digit) for one in got))


def test_a_long_press_is_one_digit_in_segments() -> None:
    packets = sent("9", 20.0)
    starts = sorted({one.timestamp for one in packets})
    assert [b - a for a, b in itertools.pairwise(starts)] == [0xFFFF, 0xFFFF]
    assert sum(one.marker for one in packets) == 1
    last = [parts(one)[2] for one in packets if one.timestamp == starts[-1]]
    assert starts[-1] - starts[0] + max(last) == 20 * 8000
    assert told(packets) == "9"
    # The last packets of a segment may be lost, too.
    assert told([one for one in packets if parts(one)[2] < 0xFF00]) == "9"


def test_a_phone_that_counts_the_timestamp_up_in_each_packet_presses_once() -> None:
    packets = [
        EventPacket(one.timestamp + 160 * i, one.marker, one.payload) for i, one in enumerate(sent("7")[:5])
    ]
    assert told(packets) == "7"
    assert (
        told(packets + [EventPacket(one.timestamp + 8000, one.marker, one.payload) for one in packets])
        == "77"
    )


def test_the_bound_of_waiting_digits_and_what_is_no_digit() -> None:
    sender = EventSender()
    for _ in range(MOST_WAITING + 50):
        sender.press("1", 0.02, 0.0)
    for other in ("", "12", "x", "\n"):
        sender.press(other)
    packets, time = [], 0
    while sender.busy:
        packets += sender.next(time)[0]
        time += 160
    assert sum(one.marker for one in packets) == MOST_WAITING


@given(st.lists(st.tuples(st.binary(max_size=8), st.integers(0, 2**32 - 1), st.booleans()), max_size=30))
def test_no_payload_makes_it_fail(packets: list[tuple[bytes, int, bool]]) -> None:
    tracker = EventTracker()
    for payload, time, marker in packets:
        assert tracker.take(payload, time, marker) in ("", *EVENT_DIGITS)
