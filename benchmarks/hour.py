"""How much faster than real time a pretend hour of talk runs, recorded in stereo, flow to finished file."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.table import Row, child

GOALS = {"wav": 1000, "mp3": 300}


def measure() -> Iterator[Row]:
    """A caller and a callee who never stop talking (no silence that would be cheap to encode)."""
    for bridged in (False, True):
        for file_format, goal in GOALS.items():
            options = {"calls": 1, "at_once": 1, "seconds": 3600, "bridged": bridged, "format": file_format}
            took = child("benchmarks._calls", options)
            times = 3600 / took["wall"]
            who = "two parties" if bridged else "one leg"
            yield Row(
                f"a pretend hour, {who}, stereo {file_format.upper()}, to the finished file",
                f"{times:,.0f} x real time",
                f"at least {goal:,}",
                times >= goal,
            )
