"""From datagrams in memory to samples in the plane: placing and playing many G.711 legs, without sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.table import Row, child, options, peak_mb
from callflow.media.messages import RtpPlace, RtpSource, RtpStream
from callflow.media.rtp.arrivals import SLOT, Arrivals
from callflow.media.rtp.packet import HEADER, write_headers
from callflow.media.rtp.receive import RtpReceiver

LEGS = 800
SECONDS = 8
_N = 160


def _source() -> RtpSource:
    stream = RtpStream("PCMU", 0, ((0, "PCMU"),), "127.0.0.1", 4002, event_payload=101)
    return RtpSource(RtpPlace("127.0.0.1", 4000), stream, jitter_ms=60)


def run(legs: int, loss: float, seconds: int) -> dict[str, float]:
    """Half of the legs have a packet in each tick of 10 ms; a fraction ``loss`` of the packets is lost."""
    random = np.random.default_rng(1)
    receiver = RtpReceiver(8000)
    base = peak_mb()
    for row in range(legs):
        receiver.add(row, _source(), 0)
    plane = np.zeros((legs, 2, 80), np.int16)
    rows = np.arange(legs)
    halves = rows[0::2], rows[1::2]
    data = random.integers(0, 256, (legs, SLOT), np.uint8)
    taken = played = 0.0
    packets = 0
    for tick in range(seconds * 100):
        half = halves[tick % 2]
        half = half[random.random(len(half)) >= loss]
        turn = np.full(len(half), tick // 2)
        write_headers(data[: len(half)], 0, False, turn, turn * _N, half + 1)
        batch = Arrivals(data[: len(half)], np.full(len(half), HEADER + _N), half, tick / 100)
        begin = time.perf_counter()
        receiver.take(batch, tick * 80)
        middle = time.perf_counter()
        receiver.render(rows, plane, tick * 80, 80)
        if tick >= 100:  # the first second is caches and holds
            taken += middle - begin
            played += time.perf_counter() - middle
            packets += len(half)
    used = {"take": taken / packets * 1e6, "render": played / packets * 1e6}
    return {**used, "kb": (peak_mb() - base) * 1000 / legs}


def measure() -> Iterator[Row]:
    """Per packet of 20 ms: taking it, and playing its two ticks."""
    for loss in (0.0, 0.05):
        used = child("benchmarks.rtp_receive", {"legs": LEGS, "loss": loss, "seconds": SECONDS})
        what = f"RTP in, {LEGS} G.711 legs, {loss:.0%} lost"
        yield Row(f"{what}: taking a packet", f"{used['take']:.2f} µs", "under 1.5 µs", used["take"] < 1.5)
        yield Row(f"{what}: playing a packet", f"{used['render']:.2f} µs")
    yield Row("RTP in, memory of a leg", f"{used['kb']:.0f} kB", "under 100 kB", used["kb"] < 100)


if __name__ == "__main__":
    asked = options()
    print(json.dumps(run(int(asked["legs"]), float(asked["loss"]), int(asked["seconds"]))))
