"""The process that is killed: ``callflow run``, with a log of the last sample each recording has accepted.

It is forked from one that has imported everything (multiprocessing's forkserver): to start some dozens of
interpreters would take most of the tests' time. The log is written with one system call a line, so that it is
true at the instant of the kill: ``ID SAMPLES``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO, cast

import callflow.app
import callflow.channels.sim.channel
import callflow.cli._runner
import callflow.cli.run  # noqa: F401  # what the children would import, each for itself
from callflow.cli import main
from callflow.errors import CallflowError
from callflow.media.taps import Samples
from callflow.recording import crashpoints
from callflow.recording.spool import read_spool
from callflow.recording.tap import RecordingTap


@dataclass(frozen=True, slots=True)
class Order:
    """``log``: where it writes how far recordings are; ``crash_at``: where it dies by itself
    (``callflow/recording/crashpoints.py``), with ``ended`` not before all recordings in this spool folder
    have ended; ``links``: False: as on a file system without hard links; ``words``: what is typed after
    ``callflow``.
    """

    log: str
    crash_at: str
    ended: Path | None
    links: bool
    words: Sequence[str]


def live(order: Order, told: Connection) -> None:
    """Be ``callflow WORDS``, whose standard output is ``told``."""
    os.dup2(told.fileno(), 1)
    told.close()
    cast(TextIO, sys.stdout).reconfigure(write_through=True)  # type: ignore[attr-defined]
    log_accepted(order.log)
    if order.crash_at:
        crashpoints._trap = Trap(order.crash_at, order.ended)
    if not order.links:
        os.link = no_link  # type: ignore[assignment]
    sys.argv = ["callflow", *order.words]
    main()


class Trap(crashpoints._Trap):
    """One that waits, a second at most: recordings that end at one moment are finished in threads of their
    own.
    """

    def __init__(self, setting: str, ended: Path | None) -> None:
        super().__init__(setting)
        self._ended = ended

    def passed(self) -> None:
        if self._ended is not None and self.left == 1:
            spools = [each for each in self._ended.iterdir() if each.is_dir()]
            end = time.monotonic() + 1
            while time.monotonic() < end and not all(self._has_ended(each) for each in spools):
                time.sleep(0.002)
        super().passed()

    @staticmethod
    def _has_ended(spool: Path) -> bool:
        try:
            return read_spool(spool).ended is not None
        except CallflowError:
            return not spool.is_dir()  # it is finished already


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
