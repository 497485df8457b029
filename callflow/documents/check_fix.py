"""Layer 1: mends a document where that is safe, by small edits of its text: its formatting stays as it is.

What may be changed, the checks say themselves (``Problem.mend``). A file with mistakes in its JSON is left
alone: nobody can tell what its author meant. After a round of edits the text is checked again, since a key
that got its right name has a value to judge; at the end nothing is left that could be mended.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from callflow.documents import jsontext
from callflow.documents.check import Checker
from callflow.documents.jsonplaces import Lines
from callflow.documents.jsontext import Parsed
from callflow.documents.problems import Mend, Problem
from callflow.errors import DocumentError
from callflow.log import mask_text

MOST_ROUNDS = 50
"""A round mends all that can be seen; a wrapped node inside a wrapped node is seen a round later."""
_INDENT = re.compile(r"\n([ \t]*)(?=[^\s])")
_LINE_START = re.compile(r"\n(?=[^\r\n])")
_SHORT = 40


@dataclass(frozen=True, slots=True)
class Change:
    """One mended place. ``line`` and ``column`` are those of the file as it was, from 1.

    ``what``: the texts before and after; ``effect``: what is different at run time.
    """

    line: int
    column: int
    code: str
    what: str
    effect: str


@dataclass(frozen=True, slots=True)
class Fixed:
    """A document as it was and as it should be; ``changes`` in the order of the file."""

    path: Path
    before: bytes
    after: bytes
    changes: tuple[Change, ...]


class _Edit(NamedTuple):
    """``text`` in place of what stands from ``start`` to ``end``."""

    start: int
    end: int
    text: str


def fix_file(path: Path, checker: Checker) -> Fixed | None:
    """What can be mended in a file; None: nothing. The file is not touched. Raises DocumentError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror}") from error
    return fix_bytes(raw, path, checker)


def fix_bytes(raw: bytes, path: Path, checker: Checker) -> Fixed | None:
    """The same for what a file of that name would hold."""
    if jsontext.examine(raw).faults:
        return None
    text = raw.decode("utf-8")
    lines, origin = Lines(text), _Origin()
    changes: list[Change] = []
    for _ in range(MOST_ROUNDS):
        edits: list[_Edit] = []
        parsed = jsontext.parse(text)
        problems = _at_once(checker.text(text, path, named=False))
        wraps = frozenset(problem.pointer for problem, mend in problems if mend.kind == "wrap")
        for problem, mend in problems:
            own = _edits(problem.pointer, mend, parsed, wraps)
            if own:
                edits += own
                place = lines.place(origin.of(own[0].start))
                changes.append(
                    Change(place.line, place.column, problem.code, _what(own, mend, text), mend.effect)
                )
        if not edits:
            break
        edits.sort()
        text = _applied(text, edits)
        origin.after(edits)
    if not changes:
        return None
    ordered = tuple(sorted(changes, key=lambda change: (change.line, change.column, change.code)))
    return Fixed(path, raw, text.encode("utf-8"), ordered)


def write(fixed: Fixed) -> None:
    """Put the mended text in the file's place, at once or not at all. Raises DocumentError, also if the file
    has changed since it was read.
    """
    path = fixed.path.resolve()  # a link stays a link
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DocumentError(f"{fixed.path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(fixed.after)
            file.flush()
            os.fsync(file.fileno())
        seen, mine = path.stat(), os.stat(name)
        if (seen.st_uid, seen.st_gid) != (mine.st_uid, mine.st_gid):
            os.chown(name, seen.st_uid, seen.st_gid)  # who owns the file must be able to read it afterwards
        os.chmod(name, seen.st_mode & 0o7777)
        if path.read_bytes() != fixed.before:
            raise DocumentError(f"{fixed.path} changed meanwhile: it is left as it is", hint="run it again")
        os.replace(name, path)
    except OSError as error:
        raise DocumentError(f"{fixed.path} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _at_once(problems: Sequence[Problem]) -> list[tuple[Problem, Mend]]:
    """Those that can be mended in one round: no place twice, no two keys of an object given one name."""
    chosen: list[tuple[Problem, Mend]] = []
    taken: set[tuple[str, str]] = set()
    for problem in sorted(problems):
        if problem.mend is None:
            continue
        kind, pointer = problem.mend.kind, problem.pointer
        places = {(kind, pointer)}
        if kind == "key":
            places.add((pointer.rpartition("/")[0], problem.mend.text))
        if not places & taken:
            taken |= places
            chosen.append((problem, problem.mend))
    return chosen


def _edits(pointer: str, mend: Mend, parsed: Parsed, wraps: frozenset[str]) -> list[_Edit]:
    """The edits of one mend, the first of them at its place; none if the place is not there."""
    span = parsed.span(pointer, of_key=mend.kind == "key")
    if span is None:
        return []
    if mend.kind == "wrap":
        outer = sum(pointer[:end] in wraps for end in _prefixes(pointer))
        return _wrapped(parsed.text, *span, mend.text, outer)
    return [_Edit(*span, json.dumps(mend.text) if mend.kind == "key" else mend.text)]


def _prefixes(pointer: str) -> list[int]:
    return [match.start() for match in re.finditer("/", pointer)]


def _wrapped(text: str, start: int, end: int, key: str, outer: int) -> list[_Edit]:
    """The object from ``start`` to ``end`` under a key of a new object around it. Over several lines it is
    indented one step more; ``outer``: so many objects around it are wrapped in the same round.
    """
    name = json.dumps(key)
    body = text[start:end]
    if "\n" not in body:
        gap = " " if body[1:2] == " " else ""
        return [_Edit(start, start, f"{{{gap}{name}: "), _Edit(end, end, f"{gap}}}")]
    newline = "\r\n" if "\r\n" in body else "\n"
    line = text[text.rfind("\n", 0, start) + 1 : start]
    closing = line[: len(line) - len(line.lstrip(" \t"))]
    first = _INDENT.search(body)
    inside = first[1] if first and len(first[1]) > len(closing) else closing + "  "
    step = inside[len(closing) :]
    more = step * outer
    edits = [_Edit(start, start, f"{{{newline}{more}{inside}{name}: ")]
    edits += [_Edit(start + at.end(), start + at.end(), step) for at in _LINE_START.finditer(body)]
    return [*edits, _Edit(end, end, f"{newline}{more}{closing}}}")]


def _applied(text: str, edits: Sequence[_Edit]) -> str:
    """``text`` with ``edits`` (in order, none inside another) made."""
    parts: list[str] = []
    at = 0
    for edit in edits:
        parts += (text[at : edit.start], edit.text)
        at = edit.end
    return "".join((*parts, text[at:]))


def _what(edits: Sequence[_Edit], mend: Mend, text: str) -> str:
    if mend.kind == "wrap":
        return f"children: the node is put under {mend.text}"
    first = edits[0]
    return f"{_short(text[first.start : first.end])} → {_short(first.text)}"


def _short(text: str) -> str:
    shown = mask_text(text)
    return shown if len(shown) <= _SHORT else shown[: _SHORT - 3] + "..."


class _Origin:
    """Where an offset of the edited text was in the file: through all rounds, backwards."""

    def __init__(self) -> None:
        self._rounds: list[tuple[list[int], list[int], list[int]]] = []

    def after(self, edits: Sequence[_Edit]) -> None:
        """A round of edits was made (in order)."""
        starts, ends, deltas = [], [], []
        moved = 0
        for edit in edits:
            starts.append(edit.start + moved)
            moved += len(edit.text) - (edit.end - edit.start)
            ends.append(edit.end + moved)
            deltas.append(moved)
        self._rounds.append((starts, ends, deltas))

    def of(self, offset: int) -> int:
        """The offset in the file as it was; inside of what was written: where that was written."""
        for starts, ends, deltas in reversed(self._rounds):
            index = bisect.bisect_right(starts, offset) - 1
            if index >= 0:
                moved = deltas[index]
                offset = max(offset, ends[index]) - moved
        return offset
