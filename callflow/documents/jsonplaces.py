"""Layer 1: places in a JSON text: offset to line and column, and the span of a key or value."""

from __future__ import annotations

import bisect
import re
from typing import NamedTuple


class Position(NamedTuple):
    """A place in a text, both from 1; columns count characters."""

    line: int
    column: int


class Entry(NamedTuple):
    """Where a value is: offset of its key (or of itself) and of itself; and what it holds."""

    key: int
    start: int
    inner: dict[str, Entry]


class Lines:
    """The lines of a text, counted once: a file with many mistakes asks often."""

    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def place(self, offset: int) -> Position:
        """Line and column of an offset."""
        line = bisect.bisect_left(self._ends, offset)
        before = self._ends[line - 1] if line else -1
        return Position(line + 1, offset - before)


def place(text: str, offset: int) -> Position:
    """Line and column of ``offset`` in ``text``."""
    before = text.rfind("\n", 0, offset)
    return Position(text.count("\n", 0, offset) + 1, offset - before)


def entry_at(top: Entry, pointer: str) -> tuple[Entry, bool]:
    """The entry that a JSON pointer names, and True; or what holds it, and False: it goes too far."""
    entry = top
    for part in pointer.split("/")[1:]:
        below = entry.inner.get(part.replace("~1", "/").replace("~0", "~"))
        if below is None:
            return entry, False
        entry = below
    return entry, True


_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"', re.DOTALL)
_SCALAR = re.compile(r"[-+.\w]+")


def end_of(text: str, start: int, closed: dict[int, int]) -> int:
    """The offset after the value or key that begins at ``start``. ``closed``: where each array and object
    ends, by the offset of its bracket. The text is in order there.
    """
    if start in closed:
        return closed[start]
    match = (_STRING if text[start] == '"' else _SCALAR).match(text, start)
    return match.end() if match else start
