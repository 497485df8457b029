"""What a recorded call-minute costs as calls grow: the whole engine, to finished WAV files."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.table import Row, child

CALLS = 1000
SECONDS = 120
ROUNDS = 3
MOST_KB = 200


def measure() -> Iterator[Row]:
    """1,000 recorded calls of two minutes, 10, 100 or all of them at once: the same work, so that what is
    about the machine's time (fdatasync, write-back) is the same too. The median of some rounds in turn.
    """
    cpu: dict[int, list[float]] = {10: [], 100: [], 1000: []}
    memory: dict[int, float] = {}
    for _ in range(ROUNDS):
        for at_once in cpu:
            options = {
                "calls": CALLS,
                "at_once": at_once,
                "seconds": SECONDS,
                "bridged": False,
                "format": "wav",
            }
            took = child("benchmarks._calls", options)
            cpu[at_once].append(took["cpu"] / (CALLS * SECONDS / 60))
            memory[at_once] = (took["peak"] - took["base"]) * 1000
    middle = {at_once: sorted(values)[len(values) // 2] for at_once, values in cpu.items()}
    for at_once, value in middle.items():
        what = f"{at_once:,} pretend legs recorded at once to WAV, CPU per call-minute"
        yield Row(what, f"{value * 1000:.1f} ms")
    ratio = middle[1000] / middle[100]
    yield Row("the same, 1,000 legs against 100", f"{ratio:.2f}", "at most 1.2", ratio <= 1.2)
    grown = (memory[1000] - memory[100]) / 900
    what = "memory per recording (from 100 to 1,000 at once)"
    yield Row(what, f"{grown:.0f} kB", f"under {MOST_KB} kB", grown < MOST_KB)
