"""Layer 1: what checking finds: problems with their place, and the sheet on which a file's are collected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from callflow.documents.codes import CODES, ERROR
from callflow.documents.jsontext import Parsed, Position


@dataclass(frozen=True, slots=True)
class Mend:
    """A change that ``check --fix`` may make at a problem's place. ``kind``: ``value`` (write ``text``, JSON,
    in place of the value), ``key`` (name the key ``text``), ``wrap`` (put the object under the key ``text``).

    ``effect``: what the change means at run time.
    """

    kind: str
    text: str
    effect: str


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. ``line`` and ``column`` from 1; ``level``: ``error``, ``warning`` or ``note``.

    ``mend``: how ``check --fix`` mends it; None: that is for its author.
    """

    file: str
    line: int
    column: int
    code: str
    level: str
    message: str
    pointer: str
    hint: str
    mend: Mend | None = field(default=None, compare=False)

    @property
    def is_error(self) -> bool:
        """Whether it makes the document invalid."""
        return self.level == ERROR


@dataclass(slots=True)
class Sheet:
    """Collects the problems of one file."""

    parsed: Parsed
    problems: list[Problem] = field(default_factory=list)

    def add(
        self,
        code: str,
        pointer: str,
        message: str,
        hint: str = "",
        *,
        at_key: bool = False,
        mend: Mend | None = None,
    ) -> None:
        """A problem at the value that ``pointer`` names, or at its key."""
        place = self.parsed.key_position(pointer) if at_key else self.parsed.position(pointer)
        self.add_at(code, place, message, hint, pointer, mend)

    def add_at(
        self,
        code: str,
        place: Position,
        message: str,
        hint: str = "",
        pointer: str = "",
        mend: Mend | None = None,
    ) -> None:
        """A problem at a place in the text."""
        level = CODES[code].level
        self.problems.append(
            Problem(self.parsed.file, place.line, place.column, code, level, message, pointer, hint, mend)
        )


def token(key: object) -> str:
    """A key or index as a part of a JSON pointer (RFC 6901 3)."""
    return str(key).replace("~", "~0").replace("/", "~1")


REMEMBERED = 1024
"""Guesses that are kept: a slip is often made all through a file."""


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """``did you mean X?``, or an empty string."""
    return _did_you_mean(str(word), tuple(map(str, known)))


@lru_cache(maxsize=REMEMBERED)
def _did_you_mean(word: str, known: tuple[str, ...]) -> str:
    names = {_plain(name): name for name in known}
    close = difflib.get_close_matches(_plain(word), list(names), n=1, cutoff=0.6)
    return f"did you mean {names[close[0]]}?" if close else ""


def surely_meant(word: str, known: Iterable[str]) -> str:
    """The one name that ``word`` is a slip of, or an empty string: at most two letters away (one in a short
    word), and no other name nearly as close.
    """
    return _surely_meant(word, tuple(sorted(set(known))))


@lru_cache(maxsize=REMEMBERED)
def _surely_meant(word: str, known: tuple[str, ...]) -> str:
    plain = _plain(word)
    by_distance = sorted((_distance(plain, _plain(name)), name) for name in known)
    if not by_distance:
        return ""
    nearest, name = by_distance[0]
    most = 2 if len(word) > SHORT_WORD else 1
    if nearest > most or (len(by_distance) > 1 and by_distance[1][0] <= nearest + 1):
        return ""
    return name


SHORT_WORD = 5
_FAR = 9


def _distance(one: str, other: str) -> int:
    """Letters to insert, delete, change or swap with the next (optimal string alignment); large: _FAR."""
    if abs(len(one) - len(other)) > 3:
        return _FAR
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i] * (len(other) + 1)
        for j, b in enumerate(other, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                row[j] = min(row[j], older[j - 2] + 1)
    return row[-1]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
