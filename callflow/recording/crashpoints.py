"""Layer 2: named places where a test may kill the process: ``CALLFLOW_CRASH_AT=name[:n]`` dies with SIGKILL
at the n-th time it gets there. Without the variable a crash point does nothing.

The places: ``in-tick``, ``appending``, ``header-written``, ``encoding``, ``between-rename-and-commit``
(it has its final name), ``between-commit-and-removal``, ``sending``, ``transcribing``, ``transcript-named``;
``sealing`` (a part of it), ``sealed`` (not named yet); ``erased-before``, ``erased-marked``,
``erased-file``, ``erased-files`` (its spool is left).
"""

from __future__ import annotations

import os
import signal


class _Trap:
    """The point that is armed, and how often it may still be passed."""

    def __init__(self, setting: str) -> None:
        self.name, _, count = setting.partition(":")
        self.left = int(count or "1")

    def passed(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


_setting = os.environ.get("CALLFLOW_CRASH_AT", "")
_trap = _Trap(_setting) if _setting else None


def crash_point(name: str) -> None:
    """Die here if the environment says so."""
    if _trap is not None and _trap.name == name:
        _trap.passed()
