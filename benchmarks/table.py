"""What every benchmark gives, and how it is measured: in a child process, by the operating system's accounts.

A benchmark is a module with ``measure() -> Iterator[Row]``. Nothing here judges a test run: a goal that is
missed is shown, never raised.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: ``met`` None where there is no goal."""

    what: str
    figure: str
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What a piece of work took: seconds of wall time and of CPU (all threads), and the peak of memory."""

    wall_s: float
    cpu_s: float
    peak_mb: float


class Measured:
    """``with Measured() as m: ...`` then ``m.used``."""

    used: Used

    def __enter__(self) -> Measured:
        self._wall, self._cpu = time.perf_counter(), _cpu()
        return self

    def __exit__(self, *_: object) -> None:
        self.used = Used(time.perf_counter() - self._wall, _cpu() - self._cpu, peak_mb())


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mb() -> float:
    """This process's peak resident memory so far, in MB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def child(module: str, options: Mapping[str, object]) -> dict[str, Any]:
    """Run ``python -m module OPTIONS-AS-JSON`` and read the JSON object that it prints last."""
    words = [sys.executable, "-m", module, json.dumps(dict(options))]
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{module} {options}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def options() -> dict[str, Any]:
    """In a child: what it was asked."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    return asked


def machine() -> str:
    """In words: what this ran on."""
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "")
    except OSError:
        model = platform.processor()
    cores = os.cpu_count()
    day = time.strftime("%Y-%m-%d")
    return f"Python {platform.python_version()}, {cores} cores of {model or 'unknown'}, {day}"


def show(rows: Iterable[Row]) -> None:
    """Print rows as they come, in columns."""
    print(f"{'what':<66} {'figure':>26}  {'goal':<22} met")
    for row in rows:
        met = "" if row.met is None else ("yes" if row.met else "NO")
        print(f"{row.what:<66} {row.figure:>26}  {row.goal:<22} {met}", flush=True)
