"""Layer 1: patterns of an account that no number reaches, because other callflows take them all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from callflow.documents.pattern_samples import samples_of
from callflow.documents.patterns import Pattern, caught, compile_pattern

MOST_PATTERNS = 1000
"""Accounts with more are not looked at: every pattern is held against every other."""
MOST_SEARCHES = 100_000
"""So often a pattern is held against a number; what is left then is not looked at."""
MOST_SLOW = 5
"""Nor is anything more once so many patterns were too slow."""


class Shadow(NamedTuple):
    """A pattern that takes no number: ``example`` goes to callflow ``winner``, ``why``.

    ``tried``: how many numbers were tried; ``all``: the pattern fits no others.
    """

    example: str
    winner: str
    why: str
    tried: int
    all: bool


class _Pattern(NamedTuple):
    text: str
    flow: str
    compiled: Pattern


class NumberMap:
    """The numbers and patterns of an account's callflows. ``documents``: by id."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._numbers: dict[str, str] = {}
        listed: list[tuple[str, str]] = []
        for id in sorted(documents, reverse=True):
            for number in _strings(documents[id], "numbers"):
                self._numbers[number] = id  # of several the lowest id, as the engine has it
            listed += [(text, id) for text in _strings(documents[id], "patterns")]
        self._patterns = [*_compiled(sorted(listed, reverse=True))]
        self.searches = 0

    def shadow(self, id: str, pattern: str) -> Shadow | None:
        """Who takes all numbers that ``pattern`` of callflow ``id`` fits; None: some number reaches it."""
        own = [each for each in self._patterns if each.text == pattern]
        if len(own) != 1 or own[0].flow != id or len(self._patterns) > MOST_PATTERNS:
            return None  # in two flows: that is said elsewhere
        if self.searches > MOST_SEARCHES or sum(each.compiled.slow for each in self._patterns) >= MOST_SLOW:
            return None
        samples = samples_of(pattern)
        first: Shadow | None = None
        for number in samples.texts:
            if self._numbers.get(number) == id:
                continue  # reached by the number: that says nothing about the pattern
            winner, why = self.winner(number)
            if winner == id:
                return None
            first = first or Shadow(number, winner, why, len(samples.texts), samples.complete)
        return first

    def winner(self, number: str) -> tuple[str, str]:
        """The callflow that ``number`` goes to, and why; two empty texts: none."""
        if number in self._numbers:
            return self._numbers[number], "has that number"
        best: tuple[int, _Pattern] | None = None
        equal = False
        self.searches += len(self._patterns)
        for each in self._patterns:
            text = caught(each.compiled, number)
            if text is None:
                continue
            if best is None or len(text) > best[0]:
                best, equal = (len(text), each), False
            else:
                equal = equal or len(text) == best[0]
        if best is None:
            return "", ""
        how = "catches as much and comes first" if equal else "catches more of it"
        return best[1].flow, f"has {best[1].text}, which {how}"


def _compiled(listed: list[tuple[str, str]]) -> Iterator[_Pattern]:
    for text, id in listed:
        try:
            yield _Pattern(text, id, compile_pattern(text))
        except re.error:
            continue


def _strings(document: Mapping[str, Any], key: str) -> list[str]:
    value = document.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
