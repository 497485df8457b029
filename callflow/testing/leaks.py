"""Layer 6: what a test left behind: threads of the engine, files of its state folder that are still open."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from pathlib import Path

_PATIENCE_S = 2.0
_OPEN = Path("/proc/self/fd")


def threads_since(before: Collection[threading.Thread]) -> list[str]:
    """The engine's threads that were not there ``before`` and do not end by themselves within two seconds:
    a sentence each.
    """
    new = [one for one in threading.enumerate() if one not in before and _is_ours(one)]
    for thread in new:
        thread.join(_PATIENCE_S)
    return [f"the thread {thread.name} still runs" for thread in new if thread.is_alive()]


def _is_ours(thread: threading.Thread) -> bool:
    return thread.name.startswith("callflow") and thread is not threading.current_thread()


def open_files(folder: Path) -> list[str]:
    """Files below ``folder`` that this process still has open (where the system can tell: Linux)."""
    if not _OPEN.is_dir():
        return []
    found = []
    root = f"{folder.resolve()}{os.sep}"
    for entry in os.listdir(_OPEN):
        try:
            target = os.readlink(_OPEN / entry)
        except OSError:  # closed meanwhile
            continue
        if target.startswith(root):
            found.append(f"the file {target.removeprefix(root)} of the state folder is still open")
    return found
