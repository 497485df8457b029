"""How long ``callflow check`` takes for 1,000 documents and for one wide flow, and ``callflow --help``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row


def _flow(number: int) -> dict[str, object]:
    user = {"module": "user", "data": {"id": f"user{number}", "timeout": 20}, "children": {}}
    start = {
        "module": "record_call",
        "data": {"action": "start", "format": "mp3", "time_limit": 600, "url": "https://example.com/r"},
        "children": {"_": user},
    }
    menu = {"module": "menu", "data": {"id": "main"}, "children": {"1": start, "2": user, "_": user}}
    return {"name": f"flow {number}", "numbers": [str(1000 + number)], "flow": menu}


def _wide() -> dict[str, object]:
    """A flow of 10,000 nodes: 2,500 branches of four, each with a stop behind a bridge to be explained."""
    branches: dict[str, object] = {}
    for number in range(2500):
        box = {"module": "voicemail", "data": {"id": f"box{number}"}, "children": {}}
        stop = {"module": "record_call", "data": {"action": "stop"}, "children": {"_": box}}
        user = {"module": "user", "data": {"id": f"user{number}", "timeout": 20}, "children": {"_": stop}}
        data = {"action": "start", "format": "mp3", "time_limit": 600, "url": "https://example.com/r"}
        branches[str(number)] = {"module": "record_call", "data": data, "children": {"_": user}}
    top = {"module": "branch_variable", "data": {"variable": "x"}, "children": branches}
    return {"name": "wide", "numbers": ["1"], "flow": top}


def _seconds(words: list[str], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        taken.append(time.perf_counter() - began)
        if done.returncode != 0:
            raise RuntimeError(f"{words}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return sorted(taken)[times // 2]


def measure() -> Iterator[Row]:
    """Whole processes, start-up included; the median of several."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1000):
            (Path(folder) / f"{number}.json").write_text(json.dumps(_flow(number), indent=1))
        taken = _seconds([sys.executable, "-m", "callflow", "check", folder], 3)
        wide = Path(folder) / "wide.txt"
        wide.write_text(json.dumps(_wide(), indent=1))
        one = _seconds([sys.executable, "-m", "callflow", "check", str(wide)], 3)
    yield Row("callflow check, 1,000 documents of 5 nodes", f"{taken:.2f} s", "under 5 s", taken < 5)
    yield Row("callflow check, one flow of 10,000 nodes", f"{one:.2f} s", "under 3 s", one < 3)
    taken = _seconds([sys.executable, "-m", "callflow", "--help"], 9)
    yield Row("callflow --help", f"{taken:.3f} s", "under 0.3 s", taken < 0.3)
