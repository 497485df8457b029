"""Layer 6: what a request for a file asks for: which kind (``Accept``), which part (``Range``), and only if
it has not got it yet (``If-None-Match``). RFC 9110, sections 12.5.1, 13 and 14. Values only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from callflow.errors import ApiError

LONGEST = 1000
"""Characters of a header that are read."""

_ALIASES = {
    "audio/mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/x-wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "application/ogg": "audio/ogg",
}
_TYPE = re.compile(r"\s*([\w!#$&^.+-]+|\*)/([\w!#$&^.+-]+|\*)\s*(?:;(.*))?", re.ASCII | re.DOTALL)
_QUALITY = re.compile(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.ASCII)
_TAG = re.compile(r'(W/)?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Wish:
    """A media range of ``Accept``: ``audio/mpeg``, ``audio/*``, ``*/*``; ``quality`` 0 to 1."""

    kind: str
    quality: float

    def fits(self, offer: str) -> int:
        """How exactly it names ``offer``: 3 the type, 2 its group, 1 anything, 0 not at all."""
        if self.kind == offer:
            return 3
        if self.kind == f"{offer.partition('/')[0]}/*":
            return 2
        return int(self.kind == "*/*")


def wishes(accept: str) -> list[Wish]:
    """What ``Accept`` names; what cannot be read of it is passed over. Nothing at all: anything."""
    found = []
    for part in accept[:LONGEST].split(","):
        match = _TYPE.fullmatch(part)
        if match is None:
            continue
        kind = f"{match[1]}/{match[2]}".lower()
        qualities = [_QUALITY.fullmatch(each) for each in (match[3] or "").split(";")]
        quality = next((min(1.0, float(each[1])) for each in qualities if each), 1.0)
        found.append(Wish(_ALIASES.get(kind, kind), quality))
    return found if accept.strip() else [Wish("*/*", 1.0)]


def choose(asked: Sequence[Wish], offers: Sequence[str]) -> str:
    """The offer that is asked for most; of equal ones the first. Empty: none of them is."""
    best, chosen = 0.0, ""
    for offer in offers:
        exact = max(asked, key=lambda wish: wish.fits(offer), default=None)
        quality = exact.quality if exact is not None and exact.fits(offer) else 0.0
        if quality > best:
            best, chosen = quality, offer
    return chosen


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


def asked_span(header: str, size: int) -> Span | None:
    """The part of a file of ``size`` bytes that ``Range`` asks for; None: all of it, which is also the answer
    to another unit, to several parts, and to what cannot be read. Raises ApiError 416.
    """
    unit, equals, text = header[:LONGEST].partition("=")
    match = _RANGE.fullmatch(text)
    if not equals or unit.strip().lower() != "bytes" or match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        first, last = int(match[1]), int(match[2]) if match[2] else size - 1
        if match[2] and last < first:
            return None
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first >= size:
        raise ApiError(416, f"the file has {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    return Span(first, min(last, size - 1))


def names_tag(header: str, tag: str) -> bool:
    """Does ``If-None-Match`` name it? (Weakly: it is the same if it is the same by its sense.)"""
    text = header[:LONGEST].strip()
    return text == "*" or any(match[2] == tag for match in _TAG.finditer(text))


def may_go_on(if_range: str, tag: str) -> bool:
    """May a part be sent? Without ``If-Range``, yes; with it, if it names this file (a date does not)."""
    return not if_range.strip() or if_range.strip() == f'"{tag}"'
