"""Calls that come and go at a fixed load: nothing may grow, nothing may be left, every recording must arrive.

30 seconds of it here; ``python -m benchmarks.soak 1800`` for half an hour, ``... 1800 100`` with 100 calls at
once (default 50): it prints a line every half a minute, and ends with 1 if anything grew or was lost.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._load_calls import Load, Outcome, Run, percentile
from benchmarks._load_serve import BRIDGED, Served
from benchmarks._load_sip import Phones
from benchmarks.table import Row, child, options

CALL_S = 10.0
EVERY_S = 5.0
GROWTH_KB = 60
"""Memory may grow by so much a minute (kB): what a database and caches take while they fill."""

MOST_LINES = 200
"""Of the server's log, the last."""


@dataclass(slots=True)
class Watch:
    """Samples of the server while calls run: seconds, and what ``Usage`` has."""

    began: float = field(default_factory=time.monotonic)
    samples: list[dict[str, float]] = field(default_factory=list)
    loud: bool = False

    def __call__(self, served: Served, phones: Phones) -> None:
        now = time.monotonic() - self.began
        if self.samples and now - self.samples[-1]["at"] < EVERY_S:
            return
        usage = served.usage()
        sample = {
            "at": now,
            "private_kb": usage.private_kb,
            "fds": usage.fds,
            "sockets": usage.sockets,
            "threads": usage.threads,
            "spools": served.spools(),
            "calls": sum(not leg.over.is_set() for leg in phones.legs.values()),
            "cpu_s": usage.cpu_s,
        }
        if self.loud and int(now / 30) != int((self.samples[-1]["at"] if self.samples else -1) / 30):
            print(json.dumps({name: round(value, 1) for name, value in sample.items()}), flush=True)
        self.samples.append(sample)


def growth(samples: list[dict[str, float]], name: str, settled_s: float) -> tuple[float, float]:
    """How much ``name`` grew a minute, by the least squares over the samples from ``settled_s`` on; and its
    mean.
    """
    points = [(sample["at"] / 60, sample[name]) for sample in samples if sample["at"] >= settled_s]
    if len(points) < 3:
        return 0.0, points[-1][1] if points else 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread, mean_y


def judge(outcome: Outcome, samples: list[dict[str, float]], seconds: float) -> list[tuple[str, str, bool]]:
    """What is asserted: what, the figure, and whether it is well. Growth only over minutes: seconds say
    nothing.
    """
    # The first third fills pools and caches; before that half a call's length until the load is there.
    settled = max(2 * CALL_S, seconds / 3)
    long = seconds >= 300
    unjudged = "" if long else " (too short a run to judge)"
    found = []
    memory, mean = growth(samples, "private_kb", settled)
    found.append(
        (
            "memory grows",
            f"{memory:.0f} kB a minute{unjudged}",
            not long or memory <= GROWTH_KB + mean * 0.001,
        )
    )
    for name in ("fds", "sockets", "threads", "spools"):
        slope, mean = growth(samples, name, settled)
        allowed = max(1.0, mean * 0.01)
        found.append(
            (f"{name} grow", f"{slope:+.2f} a minute (mean {mean:.0f})", not long or slope <= allowed)
        )
    before, after = outcome.usages[0], outcome.usages[-1]
    for name in ("sockets", "fds", "spools"):
        # 32 pairs of ports are bound ahead for each media process, as they were before.
        left = after[name] - before[name]
        found.append(
            (f"{name} left when all is over", f"{left:+.0f}", left <= (0 if name == "spools" else 12))
        )
    found.append(("datagrams dropped by the machine's kernel", f"{outcome.dropped}", True))
    lost = sum(outcome.failed.values()) + outcome.missing
    found.append(
        ("calls failed or recordings not delivered", f"{lost} of {outcome.answered + lost}", lost == 0)
    )
    wrong = sum(outcome.wrong.values())
    figure = f"{wrong} of {outcome.checked}"
    if outcome.starved:
        worst = outcome.rtp.get("worst_ms", 0.0)
        figure += f", and {outcome.starved} while the load generator was late (by up to {worst:.0f} ms)"
    found.append(("recordings that are not whole", figure, wrong == 0))
    return found


async def soak(seconds: float, at_once: int, workers: int = 1, loud: bool = False) -> dict[str, Any]:
    """Run it; what was found."""
    rate = at_once / CALL_S
    load = Load(count=max(1, round(rate * seconds)), rate=rate, seconds=CALL_S, kind=BRIDGED, workers=workers)
    watch = Watch(loud=loud)
    with tempfile.TemporaryDirectory() as folder:
        outcome = await Run(load, Path(folder)).run(watch)
    cost = outcome.cpu_s / max(outcome.minutes, 1e-9)
    return {
        "judged": judge(outcome, watch.samples, seconds),
        "answered": outcome.answered,
        "cpu_a_minute": cost,
        "setup_p99_ms": percentile(outcome.setup, 99) * 1000,
        "delivery_p99_s": percentile(outcome.delivery, 99),
        "examples": outcome.examples,
        "failed": outcome.failed,
        "log": outcome.log[-MOST_LINES:],
    }


def measure() -> Iterator[Row]:
    """A short one."""
    found = child("benchmarks.soak", {"seconds": 30, "at_once": 30})
    yield Row("soak: bridged, recorded calls that come and go for 30 s", f"{found['answered']} calls")
    for what, figure, good in found["judged"]:
        yield Row(f"  {what}", figure, "flat" if "grow" in what else "none", good)


def _by_hand(words: list[str]) -> int:
    seconds = float(words[0])
    found = asyncio.run(soak(seconds, int(words[1]) if len(words) > 1 else 50, loud=True))
    for what, figure, good in found["judged"]:
        print(f"{'ok ' if good else 'NOT'}  {what}: {figure}")
    log = found.pop("log")
    print(json.dumps({name: value for name, value in found.items() if name != "judged"}))
    print(f"the server's log, warnings and worse ({len(log)} lines):", *log, sep="\n  ")
    return 0 if all(good for _, _, good in found["judged"]) else 1


if __name__ == "__main__":
    if sys.argv[1].startswith("{"):
        asked = options()
        print(json.dumps(asyncio.run(soak(asked["seconds"], asked["at_once"]))))
    else:
        sys.exit(_by_hand(sys.argv[1:]))
