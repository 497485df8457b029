"""Layer 1: what may not be called: ``call_restriction`` of account, user and device, by class of number.

The classes are those of Kazoo's ``number_manager.classifiers`` as it ships them: numbers of North America,
emergency, international, and everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

CLASSIFIERS: Mapping[str, re.Pattern[str]] = {
    "tollfree_us": re.compile(r"^\+?1?8(?:00|88|77|66|55|44|33|22)\d{7}$"),
    "toll_us": re.compile(r"^\+?1?900\d{7}$"),
    "emergency": re.compile(r"^(?:911|112|933)$"),
    "caribbean": re.compile(
        r"^\+?1?(?:684|264|268|242|246|441|284|345|767|809|829|849|473|671|876|664|670|787|939|869|758|784|721|868"
        r"|649|340)\d{7}$"
    ),
    "did_us": re.compile(r"^\+?1?[2-9]\d{2}[2-9]\d{6}$"),
    "international": re.compile(r"^(?:\+|00|011)\d+$"),
}
"""Class → its numbers; the first that fits."""

UNKNOWN = "unknown"


def classify(number: str) -> str:
    """The class of a number; ``unknown`` for extensions and the like."""
    return next((name for name, pattern in CLASSIFIERS.items() if pattern.match(number)), UNKNOWN)


def is_restricted(number: str, documents: Iterable[Mapping[str, Any]]) -> bool:
    """Does one of the documents deny calls of the number's class?"""
    name = classify(number)
    for document in documents:
        restrictions = document.get("call_restriction")
        said = restrictions.get(name) if isinstance(restrictions, Mapping) else None
        if isinstance(said, Mapping) and said.get("action") == "deny":
            return True
    return False
