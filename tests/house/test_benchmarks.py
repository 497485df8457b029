"""Every benchmark is in the table that ``make bench`` prints, and none other is listed."""

from __future__ import annotations

import importlib
from pathlib import Path

import benchmarks
from benchmarks.__main__ import ALL

AROUND = {"__init__", "__main__", "table"}


def test_every_benchmark_is_listed_and_can_be_measured() -> None:
    [folder] = benchmarks.__path__
    there = {path.stem for path in Path(folder).glob("*.py")} - AROUND
    assert {name for name in there if not name.startswith("_")} == set(ALL)
    for name in ALL:
        assert callable(importlib.import_module(f"benchmarks.{name}").measure)
