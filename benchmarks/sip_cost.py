"""What a recorded call costs in all: 200 at once, over loopback, against a running ``callflow serve``.

CPU of all processes of the server (user and system, from /proc), signalling, media, spool, finishing and
delivery included, from the first INVITE until the last file has come, by the minutes of the calls. Every file
is checked: as long as its call, and each party's sound on its side. MP3 with ``CALLFLOW_BENCH_LONG=1``.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._load_rows import LONG, cost, run, whole
from benchmarks._load_serve import ALONE, BRIDGED
from benchmarks.table import Row

AT_ONCE = 200
SECONDS = 60.0 if LONG else 10.0
GOALS = {(ALONE, "wav"): 0.045, (BRIDGED, "wav"): 0.09}


def measure() -> Iterator[Row]:
    """One-leg and bridged."""
    for kind, name in ((ALONE, "one-leg"), (BRIDGED, "bridged")):
        for file_format in ("wav", "mp3") if LONG else ("wav",):
            yield from _one(kind, name, file_format)


def _one(kind: str, name: str, file_format: str) -> Iterator[Row]:
    load = {"count": round(1.3 * AT_ONCE), "rate": AT_ONCE / SECONDS, "seconds": SECONDS}
    found = run({**load, "kind": kind, "format": file_format})
    each, goal = cost(found), GOALS.get((kind, file_format))
    what = f"CPU a recorded call-minute, {AT_ONCE} {name} calls, {file_format.upper()}"
    yield Row(what, f"{each:.3f} s", f"at most {goal} s" if goal else "", each <= goal if goal else None)
    for process, used in found["cpu_by"].items():
        yield Row(f"  of it {' '.join(process.split()[1:-1])}", f"{used / max(found['minutes'], 1e-9):.3f} s")
    yield whole(found)
    late = found["delivery"][1]
    yield Row("  end of call to delivered file, p99", f"{late:.2f} s", "under 0.5 s", late < 0.5)
    base, height = found["usages"][0], found["usages"][1]
    kb = (height["private_kb"] - base["private_kb"]) / AT_ONCE
    yield Row("  memory a call", f"{kb:.0f} kB", "under 300 kB", kb < 300)
