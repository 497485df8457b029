"""Layer 1: regular expressions in documents: Kazoo's are PCRE, ours are Python's, with an end in time.

They are applied to what strangers dial and show. One that backtracks for ever (``^(a|a)*$``) would stop every
call of the process, so matching is given up after ``LIMIT_S`` (the module ``regex`` can; ``re`` cannot).
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import cast

import regex

LIMIT_S = 0.05
"""A good expression needs some millionths of a second."""

MOST_GIVEN_UP = 3
"""An expression that was given up so often is not tried any more."""

MAX_PATTERN = 2000
MAX_TEXT = 2000
"""Characters of an expression, and of what it is applied to."""


class Pattern:
    """A compiled expression. ``groups``: how many it has."""

    def __init__(self, text: str, compiled: regex.Pattern[str]) -> None:
        self.pattern = text
        self.groups: int = compiled.groups
        self._compiled = compiled
        self._given_up = 0

    @property
    def slow(self) -> bool:
        """It has been given up before."""
        return self._given_up > 0

    @property
    def given_up(self) -> bool:
        """For good: trying it costs nothing any more."""
        return self._given_up >= MOST_GIVEN_UP

    def search(self, text: str) -> re.Match[str] | None:
        """Find it anywhere in ``text``; None: it is not there, or the text is longer than ``MAX_TEXT``.

        Raises ``re.error`` if it takes too long.
        """
        if len(text) > MAX_TEXT:
            return None
        if not self.given_up:
            try:
                return cast("re.Match[str] | None", self._compiled.search(text, timeout=LIMIT_S))
            except TimeoutError:
                self._given_up += 1
        raise re.error(f"it takes longer than {LIMIT_S * 1000:.0f} ms", self.pattern)

    def finds(self, text: str) -> re.Match[str] | None:
        """``search``, where one that takes too long fits nothing."""
        try:
            return self.search(text)
        except re.error:
            return None


def python_syntax(pattern: str) -> str:
    """A pattern as Kazoo writes it, as Python reads it: ``(?<name>...)`` becomes ``(?P<name>...)``."""
    return re.sub(r"(?<!\\)\(\?<(?![=!])", "(?P<", pattern)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Pattern:
    """A pattern as Kazoo writes it (PCRE): its ``(?<name>...)`` is Python's ``(?P<name>...)``.

    Raises ``re.error``.
    """
    if len(pattern) > MAX_PATTERN:
        raise re.error(f"it is longer than {MAX_PATTERN} characters", pattern[:80])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "possible nested set": PCRE reads it as Python does
        try:
            read = python_syntax(pattern)
            re.compile(read)  # what is valid, and the words for what is not, are Python's
            return Pattern(pattern, regex.compile(read, regex.VERSION0))
        except (RecursionError, OverflowError, regex.error) as error:
            raise re.error(f"too complicated ({type(error).__name__})", pattern) from None


def caught(pattern: Pattern, number: str) -> str | None:
    """What a pattern catches of ``number``, searched anywhere in it: its longest group, the whole match if it
    has none; None: it does not fit (kazoo.md 2.5).
    """
    found = pattern.finds(number)
    if found is None:
        return None
    groups = [text for text in found.groups() if text is not None]
    return max(groups, key=len, default="") if pattern.groups else found[0]
