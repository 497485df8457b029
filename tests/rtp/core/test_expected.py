"""The quick way of packets that were expected gives what the careful way gives: each sample, each count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from callflow.media.rtp.arrivals import Arrivals
from callflow.media.rtp.receive import RtpReceiver
from tests.rtp.core.line import Sender, arrivals, packet, source, stream

TICK = 80
ROWS = 12
Sent = list[tuple[float, int, bytes]]


def network(seed: int) -> Sent:
    """Two seconds of many senders with all that happens: (when, row, packet)."""
    random = np.random.default_rng(seed)
    sent: Sent = []
    for row in range(ROWS):
        codec = ("PCMU", "PCMA")[row % 2]
        sender = Sender(
            codec,
            ssrc=row + 1,
            sequence=65536 - 40 * (row % 3),
            time=2**32 - 8000 * (row % 4),
            ptime_ms=(20, 30, 10)[row % 3],
            ppm=300.0 * (row % 5 - 2),
            begins_s=0.003 * row,
        )
        sound = random.integers(-9000, 9000, 16000).astype(np.int16)
        for time, raw in sender.say(sound):
            luck = random.random()
            if luck < 0.03 and row > 1:
                continue
            if luck < 0.05 and row > 2:
                raw = raw[:1] + bytes((raw[1] | 0x80,)) + raw[2:]  # a marker
            if luck > 0.97 and row > 3:
                sent.append((time + 0.011, row, raw))
            late = random.uniform(0, 0.05) if row > 5 and luck > 0.5 else 0.0
            if row == 7 and time > 1.0:  # begins anew
                raw = raw[:2] + bytes((raw[2] ^ 0x55,)) + raw[3:8] + bytes((9, 9, 9, 9)) + raw[12:]
            if row == 8 and 0.8 < time < 1.2:  # digits in its place
                kind, payload = 101, bytes((5, 10, 1, 64))
                raw = packet(payload, kind=kind, ssrc=9, sequence=int.from_bytes(raw[2:4], "big"))
            if row == 9 and 0.8 < time < 1.2:  # stands still
                time = 1.2
            sent.append((time + late, row, raw))
    return sorted(sent, key=lambda each: each[0])


def rounds(waiting: Sent, time: float) -> list[Arrivals]:
    """Packets that have come, one of each row at a time."""
    batches: list[list[tuple[int, bytes]]] = []
    seen = [0] * ROWS
    for _, row, raw in waiting:
        if seen[row] == len(batches):
            batches.append([])
        batches[seen[row]].append((row, raw))
        seen[row] += 1
    return [replace(arrivals(batch, time), single=True) for batch in batches]


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("seed", range(3))
def test_the_quick_way_is_the_careful_way(seed: int, rate: int) -> None:
    quick, careful = RtpReceiver(rate), RtpReceiver(rate)
    rows, tick = np.arange(ROWS), rate // 100
    for row in range(ROWS):
        for receiver in (quick, careful):
            receiver.add(row, replace(source(), stream=stream(("PCMU", "PCMA")[row % 2])), 0)
    sent, at, most = network(seed), 0, 0
    for number in range(230):
        now, came = number * tick, at
        while came < len(sent) and sent[came][0] <= number / 100:
            came += 1
        for batch in rounds(sent[at:came], number / 100):
            left = quick.take_expected(batch, now)
            most += len(batch.rows) - (0 if left is None else len(left.rows))
            if left is not None:
                quick.take(left, now)
            careful.take(batch, now)
        at = came
        if number == 120:  # what is agreed anew is looked at anew
            for receiver in (quick, careful):
                receiver.agree(1, replace(stream("PCMU"), accepts=((8, "PCMU"),)), now)
        heard = [np.zeros((ROWS, 2, tick), np.int16) for _ in range(2)]
        quick.render(rows, heard[0], now, tick)
        careful.render(rows, heard[1], now, tick)
        assert (heard[0] == heard[1]).all()
    assert [quick.stats(row) for row in range(ROWS)] == [careful.stats(row) for row in range(ROWS)]
    assert most > len(sent) // 2


def test_one_packet_after_another_is_expected_until_something_else_comes() -> None:
    receiver = RtpReceiver(8000)
    receiver.add(0, source(), 0)

    def expected(number: int) -> bool:
        raw = packet(bytes(160), sequence=number, time=160 * number)
        left = receiver.take_expected(replace(arrivals([(0, raw)], 0.02 * number), single=True), 160 * number)
        if left is not None:
            receiver.take(left, 160 * number)
        return left is None

    assert [expected(number) for number in (1, 2, 3, 5, 6, 4, 7, 8, 8, 9, 10)] == [
        False, False, True, False, True, False, False, True, False, False, True,
    ]  # fmt: skip
    assert receiver.stats(0).duplicates == 1
