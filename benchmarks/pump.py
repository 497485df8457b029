"""What a leg costs in the pump alone, and whether that stays flat as legs grow.

Legs are bridged in pairs, both parties talk all the time; each pair's first leg has a stereo tap that copies
what it gets (as the recorder does). CPU time of this process, best of three runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.table import Row
from callflow.documents.shipped import examples_dir
from callflow.media.clips import ClipLoader
from callflow.media.messages import AddLeg, Bridge, FileClip, PretendSource, Say, Side, TapPoint
from callflow.media.mixing import interleave
from callflow.media.pump import BLOCK_S, TICK_S, Pump
from callflow.media.taps import Samples

AUDIO = examples_dir() / "audio"
RATE = 8000
SECONDS = 60.0
MOST_US = 25.0


class CopyingTap:
    """Interleaves each block into a buffer (one for all: keeping what is recorded is the recorder's cost)."""

    BUFFER = np.empty((round(RATE * BLOCK_S), 2), np.int16)

    rate = RATE
    wants_audio = True

    def __init__(self, leg: str) -> None:
        self.points = (TapPoint(leg, Side.READ), TapPoint(leg, Side.WRITE))
        self.samples = 0

    def horizon(self, block: Samples) -> int:
        n: int = block.shape[1]
        return n

    def commit(self, block: Samples, time: float) -> list[object]:
        self.samples += block.shape[1]
        interleave(block, self.BUFFER[: block.shape[1]])
        return []


def build(legs: int) -> Pump:
    """A pump with ``legs`` legs in bridged, talking, tapped pairs."""
    pump = Pump(ClipLoader())
    for number in range(0, legs, 2):
        caller, callee = f"a{number}", f"b{number}"
        for leg, file in ((caller, "caller.wav"), (callee, "callee.wav")):
            pump.command(AddLeg(leg, RATE, PretendSource()))
            pump.command(Say(leg, (FileClip(str(AUDIO / file)),), loop=True))
        pump.command(Bridge(caller, callee))
        pump.attach(CopyingTap(caller))
    return pump


def cpu_s(legs: int, seconds: float, block_s: float = BLOCK_S) -> float:
    """CPU seconds for ``seconds`` of sound; the best of three."""
    return min(_cpu_s(legs, seconds, block_s) for _ in range(3))


def _cpu_s(legs: int, seconds: float, block_s: float) -> float:
    pump = build(legs)
    pump.advance(1.0, block_s)
    end = pump.now + seconds
    start = time.process_time()
    while pump.now < end - 0.001:
        pump.advance(end, block_s)
    return time.process_time() - start


def measure() -> Iterator[Row]:
    """Blocks of half a second, as in virtual time, and of one tick, as on live calls."""
    hour = cpu_s(2, 3600.0)
    yield Row("the pump alone, an hour of a bridged pair", f"{hour:.2f} s", "under 2 s", hour < 2)
    for block_s, seconds in ((BLOCK_S, SECONDS), (TICK_S, SECONDS / 10)):
        costs = {legs: cpu_s(legs, seconds, block_s) / legs for legs in (10, 100, 1000)}
        for legs, cost in costs.items():
            what = f"the pump alone, {legs:,} legs, a leg and block of {block_s * 1000:.0f} ms"
            each = cost / (seconds / block_s) * 1e6
            if legs == 1000 and block_s == BLOCK_S:
                yield Row(what, f"{each:.1f} µs", f"under {MOST_US:.0f} µs", each < MOST_US)
            else:
                yield Row(what, f"{each:.1f} µs")
