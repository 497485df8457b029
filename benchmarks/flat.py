"""What a recorded call-minute costs as calls grow: the whole engine, to finished WAV files."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.table import Row, child

SECONDS = 120
ROUNDS = 3
MOST_KB = 200


def measure() -> Iterator[Row]:
    """10, 100 and 1,000 legs at once, each recorded; the median of some rounds in turn."""
    cpu: dict[int, list[float]] = {10: [], 100: [], 1000: []}
    memory: dict[int, float] = {}
    for _ in range(ROUNDS):
        for calls in cpu:
            options = {"calls": calls, "seconds": SECONDS, "bridged": False, "format": "wav"}
            took = child("benchmarks._calls", options)
            cpu[calls].append(took["cpu"] / (calls * SECONDS / 60))
            memory[calls] = (took["peak"] - took["base"]) * 1000 / calls
    middle = {calls: sorted(values)[len(values) // 2] for calls, values in cpu.items()}
    for calls, value in middle.items():
        yield Row(f"{calls:,} pretend legs recorded at once, CPU per call-minute", f"{value * 1000:.2f} ms")
    ratio = middle[1000] / middle[100]
    yield Row("the same, 1,000 legs against 100", f"{ratio:.2f}", "at most 1.2", ratio <= 1.2)
    grown = (memory[1000] * 1000 - memory[100] * 100) / 900
    yield Row(
        "memory per recording (from 100 to 1,000)", f"{grown:.0f} kB", f"under {MOST_KB} kB", grown < MOST_KB
    )
