"""``make bench`` / ``python -m benchmarks [NAME ...]``: all figures in one table."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

from benchmarks.table import Row, machine, show

ALL = (
    "hour",
    "flat",
    "pump",
    "rooms",
    "conversations",
    "delivery",
    "outbox",
    "outage",
    "storage",
    "library",
    "check",
    "tune",
    "sip_messages",
    "rtp_load",
    "sip_load",
    "sip_cost",
    "sip_many",
    "soak",
    "rtp_receive",
    "rtp_pump",
)


def _rows(names: list[str]) -> Iterator[Row]:
    for name in names:
        yield from importlib.import_module(f"benchmarks.{name}").measure()


if __name__ == "__main__":
    print(machine())
    show(_rows(sys.argv[1:] or list(ALL)))
