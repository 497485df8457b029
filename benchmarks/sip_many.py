"""500 bridged calls at once on two media processes, each recorded in stereo, every recording checked."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._load_rows import LONG, cost, run, whole
from benchmarks._load_serve import BRIDGED
from benchmarks.table import Row

AT_ONCE = 500
SECONDS = 60.0 if LONG else 15.0


def measure() -> Iterator[Row]:
    """The whole machine at work, the load generator among it."""
    load = {"count": round(1.2 * AT_ONCE), "rate": AT_ONCE / SECONDS, "seconds": SECONDS, "kind": BRIDGED}
    found = run({**load, "workers": 2})
    yield whole(found, f"{AT_ONCE} bridged calls on two media processes, recordings whole")
    yield Row("  CPU a recorded call-minute", f"{cost(found):.3f} s")
    yield Row("  end of call to delivered file, p99", f"{found['delivery'][1]:.2f} s")
