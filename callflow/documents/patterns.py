"""Layer 1: regular expressions in documents: Kazoo's are PCRE, ours are Python's."""

from __future__ import annotations

import re
import warnings


def python_syntax(pattern: str) -> str:
    """A pattern as Kazoo writes it, as Python reads it: ``(?<name>...)`` becomes ``(?P<name>...)``."""
    return re.sub(r"(?<!\\)\(\?<(?![=!])", "(?P<", pattern)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern as Kazoo writes it (PCRE): its ``(?<name>...)`` is Python's ``(?P<name>...)``.

    Raises ``re.error``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "possible nested set": PCRE reads it as Python does
        try:
            return re.compile(python_syntax(pattern))
        except (RecursionError, OverflowError) as error:
            raise re.error(f"too complicated ({type(error).__name__})", pattern) from None


def caught(pattern: re.Pattern[str], number: str) -> str | None:
    """What a pattern catches of ``number``, searched anywhere in it: its longest group, the whole match if it
    has none; None: it does not fit (kazoo.md 2.5).
    """
    found = pattern.search(number)
    if found is None:
        return None
    groups = [text for text in found.groups() if text is not None]
    return max(groups, key=len, default="") if pattern.groups else found[0]
