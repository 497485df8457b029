"""Layer 1: regular expressions in documents: Kazoo's are PCRE, ours are Python's."""

from __future__ import annotations

import re
import warnings


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern as Kazoo writes it (PCRE): its ``(?<name>...)`` is Python's ``(?P<name>...)``.

    Raises ``re.error``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "possible nested set": PCRE reads it as Python does
        try:
            return re.compile(re.sub(r"(?<!\\)\(\?<(?![=!])", "(?P<", pattern))
        except (RecursionError, OverflowError) as error:
            raise re.error(f"too complicated ({type(error).__name__})", pattern) from None
