"""What RTP legs cost in a media process: received, bridged, recorded in stereo, sent; without signalling.

The load comes from ``rtp_load``, a process of its own; CPU time is the media process's alone, all its
threads, by the operating system. A tick's time is wall time: on a busy machine it says little.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks._load_streams import Plan
from benchmarks.rtp_load import RtpLoad
from benchmarks.table import Row, options

SECONDS = 10.0


def run(legs: int, *, bridged: bool, seconds: float = SECONDS, profile: bool = False) -> dict[str, Any]:
    """``legs`` legs, in pairs if ``bridged``; figures of ``_rtp_child``, and ``lost_back`` of the load's."""
    with RtpLoad() as load:
        peers = [load.port() for _ in range(legs)]
        asked = {"peers": peers, "bridged": bridged, "seconds": seconds, "profile": profile}
        words = [sys.executable, "-m", "benchmarks._rtp_child", json.dumps(asked)]
        child = subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None and child.stdout is not None
        ports = json.loads(child.stdout.readline())["ports"]
        load.add(
            Plan(number, peer, "127.0.0.1", port, tone=number % 40)
            for number, (peer, port) in enumerate(zip(peers, ports, strict=True))
        )
        child.stdin.write("go\n")
        child.stdin.flush()
        child.stdout.readline()
        heard, costs = load.accounts(), load.costs()
        found: dict[str, Any] = json.loads(child.stdout.readline())
        child.wait()
    found["lost_back"] = sum(each.lost for each in heard)
    found["load_late_turns"] = costs["late_turns"]
    found["load"] = costs
    found["jumps"] = sum(each.jumps for each in heard)
    minutes = found["recordings"] * found["lasted_s"] / 60
    found["cpu_of_core"] = found["cpu_s"] / found["wall_s"]
    found["cpu_a_minute"] = found["cpu_s"] / minutes
    return found


def measure() -> Iterator[Row]:
    """One-leg and bridged recordings, 200 of them; and 400 bridged ones: as much as one core should carry."""
    for calls, bridged, share in ((200, False, 0.25), (200, True, 0.25), (400, True, 1.0)):
        found = run(calls * (1 + bridged), bridged=bridged)
        name = f"RTP, {calls} {'bridged' if bridged else 'one-leg'} calls, each recorded in stereo"
        core = found["cpu_of_core"]
        yield Row(f"{name}: of one core", f"{core:.1%}", f"under {share:.0%}", core < share)
        yield Row("  CPU a recorded call-minute, media alone", f"{found['cpu_a_minute']:.4f} s")
        ticks = f"{found['p50_ms']:.2f}, {found['p99_ms']:.2f}, {found['max_ms']:.1f} ms"
        yield Row(
            "  a tick: median, 99 of 100, longest", ticks, "99 of 100 under 10 ms", found["p99_ms"] < 10
        )
        lost = found["lost"] + found["late"]
        yield Row("  packets lost or late (in), lost (out)", f"{lost}, {found['lost_back']}", "0", not lost)


if __name__ == "__main__":
    print(json.dumps(run(**options()), indent=1))
