"""Signalling of real calls over loopback against a running ``callflow serve``: how quickly, and whether all.

The phones, the load generator and the receiver are other processes of the same machine; they are not in the
figures. ``python -m benchmarks.sip_load '{"count": 50, "rate": 10, "seconds": 5, "kind": "7"}'`` runs one
load (1: recorded alone, 7: recorded with a bridge, 2: not recorded) and prints all about it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks._load_rows import LONG, run, whole
from benchmarks._load_serve import ALONE, PLAIN
from benchmarks.table import Row, options


def measure() -> Iterator[Row]:
    """Recorded calls at 50 a second, short ones at 200 a second."""
    times = 60 if LONG else 10
    found = run({"count": 50 * times, "rate": 50, "seconds": 2.0, "kind": ALONE})
    middle, late = (value * 1000 for value in found["setup"])
    yield Row("INVITE to 200, 50 recorded calls a second, p50", f"{middle:.1f} ms")
    yield Row("  p99", f"{late:.1f} ms", "under 30 ms", late < 30)
    yield whole(found)
    found = run({"count": 200 * times, "rate": 200, "seconds": 0.5, "kind": PLAIN, "sound": False})
    failed = sum(found["failed"].values())
    yield Row(
        "200 short calls a second, failed", f"{failed} of {found['answered'] + failed}", "0", not failed
    )
    yield Row("  INVITE to 200, p99", f"{found['setup'][1] * 1000:.1f} ms")
    yield Row("  CPU a call", f"{found['cpu_s'] / max(1, found['answered']) * 1000:.2f} ms")


if __name__ == "__main__":
    print(json.dumps(run(options()), indent=1))
