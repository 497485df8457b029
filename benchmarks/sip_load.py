"""Real calls over loopback: SIP and RTP against a running ``callflow serve``, recordings checked one by one.

The server's CPU is that of all its processes (user and system, from /proc), spool, finishing and delivery
included; the load generator, its phones and the receiver are other processes of the same machine, and are
not in it. ``CALLFLOW_BENCH_LONG=1``: calls of a minute instead of some seconds.
``python -m benchmarks.sip_load '{"count": 50, "kind": "1"}'`` runs one load and prints all about it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from benchmarks._load_serve import ALONE, BRIDGED, PLAIN
from benchmarks.table import Row, child, options

LONG = os.environ.get("CALLFLOW_BENCH_LONG") == "1"


def _load(**asked: object) -> dict[str, Any]:  # the child's options, as ``_load_calls.Load`` names them
    return child("benchmarks._load_calls", asked)


def _bad(found: dict[str, Any]) -> str:
    """What went wrong, in words; empty: nothing."""
    parts = [f"{count} calls: {why}" for why, count in found["failed"].items()]
    parts += [f"{count} recordings: {why}" for why, count in found["wrong"].items()]
    if found["missing"]:
        parts.append(f"{found['missing']} not delivered")
    return "; ".join(parts)


def _whole(found: dict[str, Any], what: str = "  recordings whole") -> Row:
    wrong = sum(found["failed"].values()) + found["missing"] + sum(found["wrong"].values())
    figure = f"{found['checked']} of {found['checked'] + found['missing']}"
    return Row(what + (f" ({_bad(found)})" if wrong else ""), figure, "all", wrong == 0)


def _signalling() -> Iterator[Row]:
    found = _load(count=50 * (60 if LONG else 10), rate=50, seconds=2.0, kind=ALONE)
    middle, late = (value * 1000 for value in found["setup"])
    yield Row("INVITE to 200, 50 recorded calls a second, p50", f"{middle:.1f} ms")
    yield Row("  p99", f"{late:.1f} ms", "under 30 ms", late < 30)
    yield _whole(found)
    found = _load(count=200 * (60 if LONG else 10), rate=200, seconds=0.5, kind=PLAIN, sound=False)
    failed = sum(found["failed"].values())
    yield Row(
        "200 short calls a second, failed", f"{failed} of {found['answered'] + failed}", "0", not failed
    )
    yield Row("  INVITE to 200, p99", f"{found['setup'][1] * 1000:.1f} ms")
    yield Row("  CPU a call", f"{found['cpu_s'] / max(1, found['answered']) * 1000:.2f} ms")


def _costs() -> Iterator[Row]:
    seconds = 60.0 if LONG else 15.0
    count = 400 if LONG else 300
    goals = {(ALONE, "wav"): 0.045, (BRIDGED, "wav"): 0.09}
    for kind, name in ((ALONE, "one-leg"), (BRIDGED, "bridged")):
        for file_format in ("wav", "mp3"):
            found = _load(count=count, rate=200 / seconds, seconds=seconds, kind=kind, format=file_format)
            cost = found["cpu_s"] / max(found["minutes"], 1e-9)
            goal = goals.get((kind, file_format))
            what = f"CPU a recorded call-minute, 200 {name} calls at once, {file_format.upper()}"
            met = None if goal is None else cost <= goal
            yield Row(what, f"{cost:.3f} s", "" if goal is None else f"at most {goal} s", met)
            yield _whole(found)
            if file_format == "wav":
                late = found["delivery"][1]
                yield Row("  end of call to delivered file, p99", f"{late:.2f} s", "under 0.5 s", late < 0.5)
                base, height = found["usages"][0], found["usages"][1]
                each = (height["pss_kb"] - base["pss_kb"]) / 200
                yield Row("  memory a call", f"{each:.0f} kB", "under 300 kB", each < 300)


def _many() -> Iterator[Row]:
    seconds = 60.0 if LONG else 20.0
    found = _load(count=600, rate=500 / seconds, seconds=seconds, kind=BRIDGED, workers=2)
    yield _whole(found, "500 bridged calls at once on two media processes, recordings whole")
    cost = found["cpu_s"] / max(found["minutes"], 1e-9)
    yield Row("  CPU a recorded call-minute", f"{cost:.3f} s")
    yield Row("  end of call to delivered file, p99", f"{found['delivery'][1]:.2f} s")


def measure() -> Iterator[Row]:
    """Signalling, cost and memory at 200 calls, 500 calls on two media processes."""
    yield from _signalling()
    yield from _costs()
    yield from _many()


if __name__ == "__main__":
    print(json.dumps(child("benchmarks._load_calls", options()), indent=1))
