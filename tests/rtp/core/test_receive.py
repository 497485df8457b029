"""The receiver as a whole: digits, and whatever bytes come."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.media.rtp.events import EVENT_DIGITS, EventSender
from callflow.media.rtp.receive import RtpReceiver
from callflow.media.tones import dtmf
from tests.rtp.core.line import Line, Sender, arrivals, packet, source, tone


def with_digits(digits: str, talking: bool) -> list[tuple[float, bytes]]:
    """Sound, then digits as events (with sound beside them if ``talking``), then sound."""
    sender, events = Sender(), EventSender()
    sent = sender.say(tone(440, 0.2))
    for digit in digits:
        events.press(digit)
    while events.busy:
        for one in events.next(sender.time)[0]:
            raw = packet(
                one.payload, kind=101, sequence=sender.sequence, time=one.timestamp, marker=one.marker
            )
            sent.append((sender.sent_s + 0.02, raw))
            sender.sequence += 1
        if talking:
            sent.append(sender.send(tone(440, 0.02)))
        else:
            sender.pause(0.02)
    return sent + sender.say(tone(440, 0.2))


@pytest.mark.parametrize("talking", [False, True])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_digits_are_told_once_at_their_place_in_the_sound(talking: bool, rate: int) -> None:
    line = Line(rate=rate)
    line.receiver.add(0, source(), 0)
    line.run([(time, 0, raw) for time, raw in with_digits("159#", talking)], 1.5)
    assert [one.digit for one in line.digits] == ["1", "5", "9", "#"]
    # The sound begins after 80 ms, the first digit 200 ms later, and one each 200 ms.
    expected = [(280 + 200 * i) * rate // 1000 for i in range(4)]
    assert [one.sample for one in line.digits] == pytest.approx(expected, abs=rate // 100)
    assert line.receiver.stats(0).lost == 0


@pytest.mark.parametrize("rate", [8000, 16000])
def test_digits_in_the_sound_are_heard_only_without_events(rate: int) -> None:
    pressed = np.concatenate(
        [part for one in "42*" for part in (dtmf(one, 0.1, rate), np.zeros(rate // 10, np.int16))]
    )
    for events, expected in ((-1, ["4", "2", "*"]), (101, [])):
        line = Line(rate=rate)
        line.receiver.add(0, source(events=events), 0)
        line.run([(time, 0, raw) for time, raw in Sender(rate=rate).say(pressed)], 1.0)
        assert [one.digit for one in line.digits] == expected
    line = Line(rate=rate)
    line.receiver.add(0, source(events=-1), 0)
    line.run([(time, 0, raw) for time, raw in Sender(rate=rate).say(pressed)], 1.0)
    places = [(80 + 200 * i) * rate // 1000 for i in range(3)]
    assert [one.sample for one in line.digits] == pytest.approx(places, abs=rate // 50)


def test_events_lie_within_bounds_whatever_their_timestamps_say() -> None:
    line = Line()
    line.receiver.add(0, source(), 0)
    line.run([(time, 0, raw) for time, raw in Sender().say(tone(440, 0.4))], 0.5)
    for i, time in enumerate((0, 2**31 - 1, 2**32 - 1, 2**31 + 5)):
        raw = packet(bytes((i, 10, 0, 160)), kind=101, sequence=1100 + i, time=time, marker=True)
        for one in line.receiver.take(arrivals([(0, raw)]), line.now):
            assert -8 * 250 <= one.sample - line.now <= 8 * 1000


def test_an_exported_row_survives_pickle_in_the_middle_of_a_hole_and_an_event() -> None:
    line = Line()
    line.receiver.add(0, source(), 0)
    sent = with_digits("7", True)
    sent = [one for i, one in enumerate(sent) if i % 7]
    line.run([(time, 0, raw) for time, raw in sent if time <= 0.29], 0.3)
    there = RtpReceiver(8000)
    there.adopt(0, pickle.loads(pickle.dumps(line.receiver.export(0))), line.now)
    line.receiver = there
    line.run([(time, 0, raw) for time, raw in sent if time > 0.29], 0.5)
    assert [one.digit for one in line.digits] == ["7"]


def test_telling_rows_apart_among_many() -> None:
    """A batch with rows of all kinds: each hears its own."""
    line = Line(rate=16000, rows=12)
    packets = []
    for row in range(12):
        codec = ("PCMU", "PCMA", "G722")[row % 3]
        line.receiver.add(row, source(codec), 0)
        ptime = (10, 20, 30, 60)[row % 4]
        sender = Sender(codec, ssrc=row, sequence=row * 9000, rate=16000, ptime_ms=ptime)
        packets += [(time, row, raw) for time, raw in sender.say(tone(500 + 100 * row, 0.6, 16000))]
    played = line.run(packets, 0.6)
    for row in range(12):
        middle = played[row, 4000:8000].astype(float)
        peak = int(np.abs(np.fft.rfft(middle * np.hanning(4000))).argmax()) * 4
        assert peak == pytest.approx(500 + 100 * row, abs=4)
        assert line.receiver.stats(row).lost == 0


HEADED = st.builds(
    packet,
    st.binary(max_size=200),
    kind=st.sampled_from((0, 8, 9, 13, 101, 77)),
    sequence=st.integers(0, 65535),
    time=st.one_of(st.integers(0, 4000), st.integers(0, 2**32 - 1)),
    ssrc=st.integers(0, 2),
    marker=st.booleans(),
)
TICKS = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.one_of(HEADED, st.binary(max_size=60))), max_size=6), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(TICKS, st.sampled_from((8000, 16000)))
def test_no_packets_make_it_fail_and_it_goes_on_working(
    ticks: list[list[tuple[int, bytes]]], rate: int
) -> None:
    line = Line(rate=rate, rows=3)
    for row, codec in enumerate(("PCMU", "G722", "PCMA")):
        line.receiver.add(row, source(codec, events=101 if row else -1), 0)
    plane = np.zeros((3, 2, rate // 100), np.int16)
    for packets in ticks:
        for digit in line.receiver.take(arrivals(packets), line.now):
            assert digit.digit in EVENT_DIGITS
        line.receiver.render(np.arange(3), plane, line.now, rate // 100)
        line.now += rate // 100
    for row in range(3):
        stats = line.receiver.stats(row)
        assert stats.lost >= 0
        assert stats.received >= stats.duplicates
    # A good stream after all that is heard.
    begin = line.now / rate
    sent = Sender(ssrc=99, rate=rate, begins_s=begin).say(tone(440, 1.2, rate))
    played = line.run([(time, 0, raw) for time, raw in sent], 1.2)[0]
    assert np.abs(played[-rate // 5 :]).max() > 6000
