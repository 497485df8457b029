"""Benchmark of the pump alone: what a leg costs, and whether that stays flat as legs grow.

    python benchmarks/pump.py [--seconds 60]

Legs are bridged in pairs, both parties talk all the time; each pair's first leg has a stereo tap that copies
what it gets (as the recorder does). CPU time of this process, best of three runs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from callflow.media.clips import ClipLoader
from callflow.media.messages import AddLeg, Bridge, FileClip, PretendSource, Say, Side, TapPoint
from callflow.media.mixing import interleave
from callflow.media.pump import BLOCK_S, Pump
from callflow.media.taps import Samples

AUDIO = Path(__file__).resolve().parents[1] / "examples" / "audio"
RATE = 8000


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


def measure(legs: int, seconds: float, block_s: float = BLOCK_S) -> float:
    """CPU seconds for ``seconds`` of sound."""
    pump = build(legs)
    pump.advance(1.0, block_s)
    end = pump.now + seconds
    start = time.process_time()
    while pump.now < end - 0.001:
        pump.advance(end, block_s)
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="call seconds per run (default 60)")
    seconds = parser.parse_args().seconds

    hour = min(measure(2, 3600.0) for _ in range(3))
    print(f"one bridged pair with a stereo tap, an hour: {hour:.2f} s ({3600 / hour:,.0f} times real time)\n")
    print(f"{'block':>8} {'legs':>6} {'CPU s':>8} {'µs per leg and block':>21} {'to 100 legs':>12}")
    for block_s in (BLOCK_S, 0.01):
        span = seconds if block_s == BLOCK_S else seconds / 10
        costs = {legs: min(measure(legs, span, block_s) for _ in range(3)) for legs in (10, 100, 1000)}
        for legs, cost in costs.items():
            per_leg = cost / legs / (span / block_s) * 1e6
            ratio = cost / legs / (costs[100] / 100)
            print(f"{block_s * 1000:>5.0f} ms {legs:>6} {cost:>8.3f} {per_leg:>21.2f} {ratio:>12.2f}")


if __name__ == "__main__":
    main()
