"""Layer 1: what checking finds: problems with their place, and the sheet on which a file's are collected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from callflow.documents.codes import CODES, ERROR
from callflow.documents.jsontext import Parsed, Position


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. ``line`` and ``column`` from 1; ``level``: ``error``, ``warning`` or ``note``."""

    file: str
    line: int
    column: int
    code: str
    level: str
    message: str
    pointer: str
    hint: str

    @property
    def is_error(self) -> bool:
        """Whether it makes the document invalid."""
        return self.level == ERROR


@dataclass(slots=True)
class Sheet:
    """Collects the problems of one file."""

    parsed: Parsed
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: str, pointer: str, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """A problem at the value that ``pointer`` names, or at its key."""
        place = self.parsed.key_position(pointer) if at_key else self.parsed.position(pointer)
        self.add_at(code, place, message, hint, pointer)

    def add_at(self, code: str, place: Position, message: str, hint: str = "", pointer: str = "") -> None:
        """A problem at a place in the text."""
        level = CODES[code].level
        self.problems.append(
            Problem(self.parsed.file, place.line, place.column, code, level, message, pointer, hint)
        )


def token(key: object) -> str:
    """A key or index as a part of a JSON pointer (RFC 6901 3)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """``did you mean X?``, or an empty string."""
    names = {_plain(str(name)): str(name) for name in known}
    close = difflib.get_close_matches(_plain(str(word)), list(names), n=1, cutoff=0.6)
    return f"did you mean {names[close[0]]}?" if close else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
