"""Layer 3: sound files made or fetched for calls, kept for later ones: so many, so large, the latest used.

Urls and texts may hold what callers choose (``{FROM}``), so their number has no end of its own.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from pathlib import Path

MOST_FILES = 2000
MOST_BYTES = 1024 * 1024 * 1024
"""Of one account."""


class KeptSounds:
    """What lies in the folders of fetched sound. ``services.kept``."""

    def __init__(self, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._folders: dict[Path, OrderedDict[Path, int]] = {}

    def used(self, path: Path) -> None:
        """``path`` was made, or is used again; those that were not used for the longest time make room."""
        known = self._folders.get(path.parent)
        if known is None:
            known = self._folders[path.parent] = _found(path.parent)
        known[path] = _size(path)
        known.move_to_end(path)
        total = sum(known.values())
        while len(known) > 1 and (total > self._most_bytes or len(known) > self._most_files):
            oldest, size = known.popitem(last=False)
            total -= size
            with contextlib.suppress(OSError):
                oldest.unlink(missing_ok=True)


def _found(folder: Path) -> OrderedDict[Path, int]:
    """What is there from before, the oldest first."""
    rows: list[tuple[float, Path, int]] = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                seen = path.stat()
                if path.is_file():
                    rows.append((seen.st_mtime, path, seen.st_size))
    return OrderedDict((path, size) for _, path, size in sorted(rows))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
