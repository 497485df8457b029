"""Ports for tests, each given once: to no other test, worker process or run of the suite on this machine.

Asking the system for a free one is not enough: until the program that is started a second later has bound it,
somebody else may be told the same. So all who ask share a place in a range that the system gives nobody.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

FIRST, END = 10000, 29900
PLACE = Path(tempfile.gettempdir()) / f"callflow-test-ports-{os.getuid()}"
"""Holds the next port that is given."""


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of so many ports in a row, even, that nobody has for UDP or TCP."""
    with PLACE.open("a+") as place:
        fcntl.flock(place, fcntl.LOCK_EX)
        place.seek(0)
        text = place.read()
        low = int(text) if text.isdigit() else FIRST
        for _ in range(FIRST, END, 2):
            if not FIRST <= low <= END - count:
                low = FIRST
            if _are_free(low, count, host):
                place.truncate(0)
                place.write(str(low + count + count % 2))
                return low
            low += 2
    raise AssertionError("no free ports")


def _are_free(low: int, count: int, host: str) -> bool:
    with suppress(OSError):
        for port in range(low, low + count):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(type=kind) as probe:
                    probe.bind((host, port))
        return True
    return False
