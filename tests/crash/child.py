"""The process that is killed: ``callflow run``, with a log of the last sample each recording has accepted.

    python -m tests.crash.child LOG links|no-links run FLOW --realtime ...

``CALLFLOW_CRASH_AT`` says where it dies by itself (``callflow/recording/crashpoints.py``). The log is written
with one system call a line, so that it is true at the instant of the kill: ``ID SAMPLES``.
``no-links``: as on a file system without hard links.
"""

from __future__ import annotations

import os
import sys

from callflow.cli import main
from callflow.media.taps import Samples
from callflow.recording.tap import RecordingTap


def log_accepted(path: str) -> None:
    """Let every recording's tap write down how far it has got."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    commit = RecordingTap.commit

    def logged(tap: RecordingTap, block: Samples, time: float) -> list[object]:
        events = commit(tap, block, time)
        os.write(log, f"{tap.recorder.spec.id} {tap.recorder.samples}\n".encode())
        return events

    RecordingTap.commit = logged  # type: ignore[method-assign, assignment]


def no_link(source: object, target: object) -> None:
    """What ``link(2)`` says on FAT."""
    raise PermissionError(1, "Operation not permitted")


if __name__ == "__main__":
    log_accepted(sys.argv.pop(1))
    if sys.argv.pop(1) == "no-links":
        os.link = no_link  # type: ignore[assignment]
    main()
