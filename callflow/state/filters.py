"""Layer 1: which recordings are wanted: the filters that the HTTP API and ``callflow recordings list`` share.

A filter comes as a name and a text (``min_seconds``, ``10``); ``FILTERS`` says how each is read and what it
means, in words that documentation is made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import isfinite

from callflow.clock import GREGORIAN_OFFSET_S
from callflow.errors import BadFilter

STATES = (
    "WAITING",
    "RECORDING",
    "MASKED",
    "PAUSED",
    "FINISHING",
    "READY",
    "DISCARDED",
    "CANCELLED",
    "FAILED",
)
LONGEST = 200
"""Characters of a value."""
_LAST_YEAR = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_DIALLED = re.compile(r"\+?[\d\s()./-]+")
_NUMBER = re.compile(r"(\*?)\+?([^*]+?)(\*?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which recordings are wanted; what is empty or None asks for nothing.

    ``started_from`` (inclusive) and ``started_before``: seconds since 1970. ``number``: without a ``+``; with
    a ``*`` before or after it, numbers that end or begin with it. ``text``: its words, in small letters; a
    recording has all of them.
    """

    account_id: str = ""
    started_from: float | None = None
    started_before: float | None = None
    number: str = ""
    owner_id: str = ""
    flow_id: str = ""
    call_id: str = ""
    states: tuple[str, ...] = ()
    origin: str = ""
    min_seconds: float | None = None
    max_seconds: float | None = None
    text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterName:
    """A filter as it is asked for: what it means, an example, and how its text goes into a ``Filter``."""

    means: str
    example: str
    put: Callable[[Filter, str], Filter]


def with_filter(wanted: Filter, name: str, value: str) -> Filter:
    """``wanted`` with one filter more. An empty ``value`` asks for nothing. Raises BadFilter."""
    if name not in FILTERS:
        raise BadFilter(f"there is no filter {name!r}", hint=f"there are {', '.join(FILTERS)}")
    value = value.strip()
    if len(value) > LONGEST or "\0" in value or not value.isprintable():
        raise BadFilter(f"{name}: it has at most {LONGEST} printable characters")
    return FILTERS[name].put(wanted, value) if value else wanted


def read_filter(values: Mapping[str, str], *, account_id: str = "") -> Filter:
    """The filter of these names and texts. Raises BadFilter."""
    wanted = Filter(account_id=account_id)
    for name, value in values.items():
        wanted = with_filter(wanted, name, value)
    return wanted


# ---- how each is read -----------------------------------------------------------------------


def _instant(name: str, text: str, *, end: bool) -> float:
    """Seconds since 1970. ``end``: of the instant after the day, or the gregorian second, that it names."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        wall = float(text) - GREGORIAN_OFFSET_S
        if not 0 <= wall < _LAST_YEAR:
            raise BadFilter(
                f"{name}: {text} is not an instant of our time in seconds since the year 0",
                hint=f"seconds since 1970 plus {GREGORIAN_OFFSET_S}, or an instant such as 2026-11-20T10:00Z",
            )
        return wall + (1.0 if end and "." not in text else 0.0)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if end and _DAY.fullmatch(text):
            moment += timedelta(days=1)
        return moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise BadFilter(
            f"{name}: {text!r} is not an instant",
            hint="write 2026-11-20, 2026-11-20T10:00 (UTC), 2026-11-20T10:00+01:00 or seconds since year 0",
        ) from error


def _from(wanted: Filter, text: str) -> Filter:
    return replace(wanted, started_from=_instant("created_from", text, end=False))


def _to(wanted: Filter, text: str) -> Filter:
    return replace(wanted, started_before=_instant("created_to", text, end=True))


def _number(wanted: Filter, text: str) -> Filter:
    bare = text.strip("*")
    if _DIALLED.fullmatch(bare):
        text = text.replace(bare, re.sub(r"[\s()./-]", "", bare))
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise BadFilter(
            f"number: {text!r} is not a number",
            hint="write +4930123, *0123 (ends with it) or 4930* (begins with it)",
        )
    if (found[1] or found[3]) and len(found[2]) < 3:
        raise BadFilter(f"number: {text!r} has too few digits", hint="with a * there are at least three")
    return replace(wanted, number="".join(found.groups()))


def _states(wanted: Filter, text: str) -> Filter:
    states = tuple(dict.fromkeys(word.strip().upper() for word in text.split(",") if word.strip()))
    for state in states:
        if state not in STATES:
            raise BadFilter(
                f"state: there is no state {state!r}", hint=f"there are {', '.join(STATES)}; a comma between"
            )
    return replace(wanted, states=states)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not isfinite(seconds) or seconds < 0:
        raise BadFilter(f"{name}: {text!r} is not a number of seconds", hint="write 10 or 1.5")
    return seconds


def _text(wanted: Filter, text: str) -> Filter:
    words = tuple(dict.fromkeys(text.lower().split()))
    if any(len(word) < 2 for word in words):
        raise BadFilter(
            f"text: a word of {text!r} is too short", hint="each has two letters or digits at least"
        )
    return replace(wanted, text=words)


FILTERS: Mapping[str, FilterName] = {
    "created_from": FilterName(
        "Began at this instant or later: seconds since year 0 (as Kazoo counts), or ISO 8601",
        "2026-11-20T10:00Z",
        _from,
    ),
    "created_to": FilterName(
        "Began at this instant or earlier; a day (`2026-11-20`) counts as a whole", "2026-11-20", _to
    ),
    "number": FilterName(
        "A party's number, with or without `+`: caller or called. `*0123` ends, `4930*` begins with it",
        "+4930123",
        _number,
    ),
    "owner_id": FilterName(
        "The user whose leg was recorded",
        "alice",
        lambda wanted, text: replace(wanted, owner_id=text),
    ),
    "flow_id": FilterName(
        "The callflow that recorded it",
        "office",
        lambda wanted, text: replace(wanted, flow_id=text),
    ),
    "call_id": FilterName(
        "The call's id", "a84b4c76e66710", lambda wanted, text: replace(wanted, call_id=text)
    ),
    "state": FilterName("Its state, or several with commas between", "READY,FAILED", _states),
    "origin": FilterName(
        "What started it, exactly", "voicemail", lambda wanted, text: replace(wanted, origin=text)
    ),
    "min_seconds": FilterName(
        "At least so long",
        "10",
        lambda wanted, text: replace(wanted, min_seconds=_seconds("min_seconds", text)),
    ),
    "max_seconds": FilterName(
        "At most so long",
        "600",
        lambda wanted, text: replace(wanted, max_seconds=_seconds("max_seconds", text)),
    ),
    "text": FilterName(
        "Words, or parts of words (of two letters: their beginnings), of its label, its name, the parties' "
        "names and numbers",
        "smith",
        _text,
    ),
}
"""Every filter by the name that a query gives it."""
