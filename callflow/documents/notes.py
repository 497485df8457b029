"""Layer 1: a remark about a document's value, made while it is read at run time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """``level``: ``error``, ``warning`` or ``note``; ``code``: a row of ``documents/codes.py``.

    ``key``: which key of the node's data it is about, if one.
    """

    level: str
    code: str
    message: str
    hint: str = ""
    key: str = ""
