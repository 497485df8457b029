"""The process that is killed: ``callflow run``, with a log of the last sample each recording has accepted.

It is forked from one that has imported everything (multiprocessing's forkserver): to start some dozens of
interpreters would take most of the tests' time. The log is written with one system call a line, so that it is
true at the instant of the kill: ``ID SAMPLES``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TextIO, cast

import callflow.app
import callflow.channels.sim.channel
import callflow.cli._runner
import callflow.cli.run  # noqa: F401  # what the children would import, each for itself
from callflow.cli import main
from callflow.media.taps import Samples
from callflow.recording import crashpoints
from callflow.recording.tap import RecordingTap


@dataclass(frozen=True, slots=True)
class Order:
    """``log``: where it writes how far recordings are; ``crash_at``: where it dies by itself
    (``callflow/recording/crashpoints.py``); ``links``: False: as on a file system without hard links;
    ``words``: what is typed after ``callflow``.
    """

    log: str
    crash_at: str
    links: bool
    words: Sequence[str]


def live(order: Order, told: Connection) -> None:
    """Be ``callflow WORDS``, whose standard output is ``told``."""
    os.dup2(told.fileno(), 1)
    told.close()
    cast(TextIO, sys.stdout).reconfigure(write_through=True)  # type: ignore[attr-defined]
    log_accepted(order.log)
    if order.crash_at:
        crashpoints._trap = crashpoints._Trap(order.crash_at)
    if not order.links:
        os.link = no_link  # type: ignore[assignment]
    sys.argv = ["callflow", *order.words]
    main()


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
