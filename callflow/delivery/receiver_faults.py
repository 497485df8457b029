"""Layer 2: how the receiver misbehaves: one fault a request. Sans-IO."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from callflow.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one answer. ``status`` 0: none of our own. ``cut``: 0 to 1 of the body.

    ``delay_s``: before the answer. ``bytes_per_s``: how slowly the body is read (0: at once).
    """

    status: int = 0
    cut: float | None = None
    delay_s: float = 0.0
    bytes_per_s: float = 0.0
    retry_after: int | None = None
    location: str = ""

    def cut_at(self, length: int) -> int | None:
        """After how many of ``length`` bytes to cut; None: not at all."""
        return None if self.cut is None else int(length * self.cut)


@dataclass(slots=True)
class Faults:
    """``once`` come first, one a request; ``always`` is for every request after them."""

    once: list[Fault] = field(default_factory=list)
    always: Fault = field(default_factory=Fault)

    def next(self) -> Fault:
        """What to do to the request that has come."""
        return self.once.pop(0) if self.once else self.always


def parse_fail(text: str) -> tuple[int, int | None]:
    """``503`` (always) or ``503x2`` (twice, then well): status and count. Raises SettingsError."""
    match = re.fullmatch(r"([1-5]\d\d)(?:x(\d+))?", text)
    if match is None:
        raise SettingsError(f"{text!r} is not a status", hint="write 503 (always) or 503x2 (twice)")
    return int(match[1]), None if match[2] is None else int(match[2])


def parse_cut(text: str) -> tuple[float, int | None]:
    """``50%`` (always) or ``50%x1`` (once): share of the body and count. Raises SettingsError."""
    match = re.fullmatch(r"(\d{1,3})%(?:x(\d+))?", text)
    if match is None or int(match[1]) > 100:
        raise SettingsError(f"{text!r} is not a share", hint="write 50% (always) or 50%x1 (once)")
    return int(match[1]) / 100, None if match[2] is None else int(match[2])
