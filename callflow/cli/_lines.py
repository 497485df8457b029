"""Layer 6: lines to standard output from a process that must never wait for whoever reads them."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable

ROOM = 10_000
_END_WITHIN_S = 2.0


class LineWriter:
    """Writes lines in a thread of its own. A reader that stands still (a paused terminal) costs lines, and
    says later how many (``lost(count)``: how); one that has gone costs all of them. Neither costs a call.
    """

    def __init__(self, lost: Callable[[int], str] | None = None) -> None:
        self._lost = lost or (lambda count: f"({count} lines were left out: nobody read them)")
        self._lines: queue.Queue[str | None] = queue.Queue(ROOM)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="callflow-lines", daemon=True)
        self._thread.start()

    def __call__(self, line: str) -> None:
        """Write ``line``, soon. From any thread; never waits, never raises."""
        try:
            if self._dropped:
                self._lines.put_nowait(self._lost(self._dropped))
                self._dropped = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, if somebody reads it."""
        try:
            self._lines.put(None, timeout=_END_WITHIN_S)
        except queue.Full:
            return
        self._thread.join(_END_WITHIN_S)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                sys.stdout.write(line + "\n")
                if self._lines.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
