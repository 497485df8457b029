"""Time rules: which days and seconds they mean."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.clock import GREGORIAN_OFFSET_S
from callflow.documents.moduledata import prepare_document
from callflow.documents.temporal import holds, local_time, read_rule, zone

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = date(1970, 1, 1)


def gregorian(day: date) -> int:
    """Noon of that day in Berlin, about, in seconds since year 0."""
    return (day - EPOCH).days * 86_400 + 11 * 3600 + GREGORIAN_OFFSET_S


def named(document: dict[str, Any], first: date, last: date) -> list[date]:
    """The days between ``first`` and ``last`` on which the rule holds at noon."""
    settled = prepare_document("temporal_rule", document).data
    found, day = [], first
    while day <= last:
        now = datetime(day.year, day.month, day.day, 12)
        if holds(read_rule(settled, BERLIN, now), now):
            found.append(day)
        day += timedelta(days=1)
    return found


@pytest.mark.parametrize(
    ("document", "days"),
    [
        ({"cycle": "date", "start_date": gregorian(date(2026, 11, 21))}, ["2026-11-21"]),
        ({"cycle": "daily", "start_date": gregorian(date(2026, 11, 10)), "interval": 9},
         ["2026-11-10", "2026-11-19", "2026-11-28"]),
        ({"cycle": "weekly", "wdays": ["monday", "friday"], "start_date": gregorian(date(2026, 11, 4)),
          "interval": 2}, ["2026-11-06", "2026-11-16", "2026-11-20", "2026-11-30"]),
        ({"cycle": "weekly", "wdays": ["wensday"]},
         ["2026-11-04", "2026-11-11", "2026-11-18", "2026-11-25"]),
        ({"cycle": "weekly", "wdays": ["sunday"], "end_date": gregorian(date(2026, 11, 8))},
         ["2026-11-01", "2026-11-08"]),
        ({"cycle": "monthly", "days": [1, 31, 30]}, ["2026-11-01", "2026-11-30"]),
        ({"cycle": "monthly", "ordinal": "every", "wdays": ["tuesday"]},
         ["2026-11-03", "2026-11-10", "2026-11-17", "2026-11-24"]),
        ({"cycle": "monthly", "ordinal": "third", "wdays": ["thursday"]}, ["2026-11-19"]),
        ({"cycle": "monthly", "ordinal": "fifth", "wdays": ["monday"]}, ["2026-11-30"]),
        ({"cycle": "monthly", "ordinal": "fifth", "wdays": ["tuesday"]}, []),
        ({"cycle": "monthly", "ordinal": "last", "wdays": ["sunday", "saturday"]},
         ["2026-11-28", "2026-11-29"]),
        ({"cycle": "monthly", "ordinal": "first", "wdays": ["sunday"], "interval": 2,
          "start_date": gregorian(date(2026, 10, 1))}, []),
        ({"cycle": "yearly", "month": 11, "days": [5]}, ["2026-11-05"]),
        ({"cycle": "yearly", "month": 11, "ordinal": "fourth", "wdays": ["thursday"]}, ["2026-11-26"]),
        ({"cycle": "yearly", "month": 12, "days": [5]}, []),
        ({"cycle": "yearly", "month": 11, "days": [5], "interval": 2,
          "start_date": gregorian(date(2025, 1, 1))}, []),
        ({"cycle": "daily", "enabled": False}, []),
        ({"cycle": "sometimes"}, []),
        ({"cycle": "date", "start_date": gregorian(date(2031, 1, 1)), "enabled": True, "interval": 0},
         [f"2026-11-{day:02d}" for day in range(1, 31)]),
    ],
)  # fmt: skip
def test_the_days_of_november_2026(document: dict[str, Any], days: list[str]) -> None:
    assert [str(day) for day in named(document, date(2026, 11, 1), date(2026, 11, 30))] == days


@pytest.mark.parametrize(
    ("second", "inside"), [(0, False), (32_399, False), (32_400, True), (61_200, True), (61_201, False)]
)
def test_the_window_counts_both_ends_in(second: int, inside: bool) -> None:
    rule = {"cycle": "daily", "time_window_start": 32_400, "time_window_stop": 61_200}
    now = datetime(2026, 11, 20) + timedelta(seconds=second)
    assert holds(read_rule(prepare_document("temporal_rule", rule).data, BERLIN, now), now) is inside


def test_seconds_of_the_day_are_those_of_the_clock_on_the_wall() -> None:
    """On the night to summer time 2026-03-29, 01:30 UTC is 03:30 in Berlin; 00:59 is 01:59."""
    day = 1_774_742_400.0  # 2026-03-29T00:00Z
    assert f"{local_time(day + 5400, BERLIN):%H:%M}" == "03:30"
    assert f"{local_time(day + 3540, BERLIN):%H:%M}" == "01:59"
    rule = prepare_document("temporal_rule", {"cycle": "daily", "time_window_start": 9 * 3600}).data
    for wall, inside in ((day + 7 * 3600, True), (day + 7 * 3600 - 1, False)):
        now = local_time(wall, BERLIN)
        assert holds(read_rule(rule, BERLIN, now), now) is inside, "nine o'clock is an hour earlier in UTC"


def test_a_zone_that_is_none() -> None:
    assert zone("Europe/Berlin") == BERLIN
    assert [zone(name) for name in ("Mars/Olympus", "", None, "../etc/passwd", "x" * 65, 7)] == [None] * 6


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=5,
)
KEYS = ["cycle", "enabled", "interval", "days", "wdays", "ordinal", "month", "start_date", "end_date",
        "time_window_start", "time_window_stop"]  # fmt: skip


@given(document=st.dictionaries(st.sampled_from(KEYS), JUNK))
@settings(max_examples=60)
def test_junk_in_a_rule_never_breaks_it(document: dict[str, Any]) -> None:
    now = datetime(2026, 11, 20, 12)
    for settled in (document, prepare_document("temporal_rule", document).data):
        assert holds(read_rule(settled, BERLIN, now), now) in (True, False)
