"""Layer 2: the headers of a SIP message: case-insensitive, several values by line, compact forms, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class CSeq(NamedTuple):
    """``CSeq: 314159 INVITE``."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class Headers:
    """Headers in order. A name may be given in any case and in its compact form; values are text without the
    line break. Values with CR, LF or NUL are refused (ValueError): no header can be smuggled in.
    """

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        raise NotImplementedError

    def get(self, name: str, default: str = "") -> str:
        """The first value of that name."""
        raise NotImplementedError

    def all(self, name: str) -> list[str]:
        """Every value of that name, a line each (commas within are not looked at)."""
        raise NotImplementedError

    def listed(self, name: str) -> list[str]:
        """Every value of that name, by line and by comma (commas in quotes or <> do not part)."""
        raise NotImplementedError

    def __contains__(self, name: object) -> bool:
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(name, value) in order."""
        raise NotImplementedError

    def add(self, name: str, value: str) -> None:
        """One more line at the end."""
        raise NotImplementedError

    def insert(self, name: str, value: str) -> None:
        """One more line at the top: a Via."""
        raise NotImplementedError

    def set(self, name: str, value: str) -> None:
        """The only value of that name."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """No value of that name."""
        raise NotImplementedError
