"""Layer 1: time rules (documents ``temporal_rule``): does one hold at a moment? Pure (kazoo.md 3).

A rule names days by a cycle, from ``start_date`` on, and a window of seconds within each of them. Days and
seconds are those of a wall clock: what a summer time skips or repeats, the rule does, too. Where Kazoo's
``cf_temporal_route`` differs, its page says so (docs/modules/temporal_route.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from callflow.clock import GREGORIAN_OFFSET_S

DAY_S = 86_400
WEEK = 7
YEAR_MONTHS = 12

WEEKDAYS: Mapping[str, int] = {
    "monday": 1,
    "tuesday": 2,
    "wednesday": 3,
    "wensday": 3,  # Kazoo's own documents spell it so
    "thursday": 4,
    "friday": 5,
    "saturday": 6,
    "sunday": 7,
}
"""Name → ISO number."""

ORDINALS: Mapping[str, int] = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
LAST, EVERY = "last", "every"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRule:
    """A rule as read from its document. ``enabled``: True always, False never, None by the clock. ``days``:
    of the month; ``wdays``: ISO numbers; ``start_s``, ``stop_s``: seconds of the day, both counted in.
    ``end_date`` None: no end.
    """

    cycle: str
    enabled: bool | None
    interval: int
    days: tuple[int, ...]
    wdays: tuple[int, ...]
    ordinal: str
    month: int
    start_date: date
    end_date: date | None
    start_s: int
    stop_s: int


def zone(name: object) -> ZoneInfo | None:
    """The time zone of that IANA name; None if there is none."""
    if not isinstance(name, str) or not name or len(name) > 64:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def local_time(wall: float, where: ZoneInfo) -> datetime:
    """The moment (seconds since 1970) as a clock on the wall shows it there."""
    return datetime.fromtimestamp(wall, UTC).astimezone(where)


def read_rule(document: Mapping[str, Any], where: ZoneInfo, now: datetime) -> TimeRule:
    """The rule of a document (with its schema's defaults); junk in it is as if it were not there. ``now``: a
    rule without a start date begins today.
    """
    enabled = document.get("enabled")
    wdays = {WEEKDAYS[day] for day in _list(document, "wdays") if isinstance(day, str) and day in WEEKDAYS}
    days = {_int(day, 0) for day in _list(document, "days")} - {0}
    return TimeRule(
        cycle=str(document.get("cycle") or ""),
        enabled=enabled if isinstance(enabled, bool) else None,
        interval=max(1, _int(document.get("interval"), 1)),
        days=tuple(sorted(days)),
        wdays=tuple(sorted(wdays)) or tuple(range(1, WEEK + 1)),
        ordinal=str(document.get("ordinal") or "first"),
        month=_int(document.get("month"), 1),
        start_date=_date(document.get("start_date"), where) or now.date(),
        end_date=_date(document.get("end_date"), where),
        start_s=_int(document.get("time_window_start"), 0),
        stop_s=_int(document.get("time_window_stop"), DAY_S),
    )


def holds(rule: TimeRule, now: datetime) -> bool:
    """Does the rule hold now (a local time)?"""
    if rule.enabled is not None:
        return rule.enabled
    today = now.date()
    if today < rule.start_date or (rule.end_date is not None and today > rule.end_date):
        return False
    second = now.hour * 3600 + now.minute * 60 + now.second
    names = _CYCLES.get(rule.cycle)
    return names is not None and rule.start_s <= second <= rule.stop_s and names(rule, today)


# ---- does a rule name a day? ------------------------------------------------------------------


def _on_date(rule: TimeRule, day: date) -> bool:
    return day == rule.start_date


def _daily(rule: TimeRule, day: date) -> bool:
    return (day - rule.start_date).days % rule.interval == 0


def _weekly(rule: TimeRule, day: date) -> bool:
    weeks = (_monday(day) - _monday(rule.start_date)).days // WEEK
    return weeks % rule.interval == 0 and day.isoweekday() in rule.wdays


def _monthly(rule: TimeRule, day: date) -> bool:
    months = (day.year - rule.start_date.year) * YEAR_MONTHS + day.month - rule.start_date.month
    return months % rule.interval == 0 and _of_month(rule, day)


def _yearly(rule: TimeRule, day: date) -> bool:
    years = day.year - rule.start_date.year
    return years % rule.interval == 0 and day.month == rule.month and _of_month(rule, day)


_CYCLES: Mapping[str, Callable[[TimeRule, date], bool]] = {
    "date": _on_date,
    "daily": _daily,
    "weekly": _weekly,
    "monthly": _monthly,
    "yearly": _yearly,
}
"""``cycle`` → does it name the day? Another cycle names none."""


def _of_month(rule: TimeRule, day: date) -> bool:
    """By days if there are any, else the ``ordinal`` weekday of the month: each of ``wdays``."""
    if rule.days:
        return day.day in rule.days
    if day.isoweekday() not in rule.wdays:
        return False
    if rule.ordinal == EVERY:
        return True
    if rule.ordinal == LAST:
        return (day + timedelta(days=WEEK)).month != day.month
    return (day.day - 1) // WEEK + 1 == ORDINALS.get(rule.ordinal, 0)


def _monday(day: date) -> date:
    return day - timedelta(days=day.isoweekday() - 1)


# ---- values -----------------------------------------------------------------------------------


def _date(gregorian: object, where: ZoneInfo) -> date | None:
    """The local day of a moment in seconds since year 0; 0 and junk are none."""
    seconds = _int(gregorian, 0)
    if not seconds:
        return None
    try:
        return local_time(seconds - GREGORIAN_OFFSET_S, where).date()
    except (OverflowError, ValueError, OSError):
        return None


def _int(value: object, instead: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else instead


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []
