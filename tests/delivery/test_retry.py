"""When to try again (DESIGN section 5), without a clock or a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.delivery.retry import Next, Result, decide, judge, retry_after

DAY = 86400.0


def waits(result: Result) -> list[float]:
    """All waits of a delivery that fails the same way each time, until it is dead."""
    age = 0.0
    delays: list[float] = []
    while True:
        count = len(delays)
        slow = result is Result.REFUSED
        decision = decide(
            result, fast_failures=0 if slow else count, slow_failures=count if slow else 0, age_s=age
        )
        if decision.next is Next.DEAD:
            return delays
        assert decision.slow is slow
        delays.append(decision.delay_s)
        age += decision.delay_s


def test_the_fast_schedule() -> None:
    delays = waits(Result.FAULT)
    assert delays[:5] == [5, 30, 120, 600, 3600]
    assert set(delays[5:]) == {3600}
    assert 3 * DAY - 3600 < sum(delays) <= 3 * DAY


def test_the_slow_schedule() -> None:
    delays = waits(Result.REFUSED)
    assert delays[:3] == [60, 600, 3600]
    assert set(delays[3:]) == {6 * 3600}
    assert 3 * DAY - 6 * 3600 < sum(delays) <= 3 * DAY


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.SUCCESS),
        (201, Result.SUCCESS),
        (204, Result.SUCCESS),
        (299, Result.SUCCESS),
        (300, Result.REFUSED),
        (303, Result.REFUSED),
        (304, Result.REFUSED),
        (400, Result.REFUSED),
        (401, Result.REFUSED),
        (403, Result.REFUSED),
        (404, Result.REFUSED),
        (413, Result.REFUSED),
        (408, Result.FAULT),
        (425, Result.FAULT),
        (429, Result.FAULT),
        (410, Result.GONE),
        (500, Result.FAULT),
        (503, Result.FAULT),
        (599, Result.FAULT),
        (999, Result.FAULT),
    ],
)
def test_what_a_status_means(status: int, result: Result) -> None:
    assert judge(status) is result


def test_ends_at_once() -> None:
    assert decide(Result.SUCCESS).next is Next.DELIVERED
    assert decide(Result.GONE).next is Next.DEAD
    assert decide(Result.UNSENDABLE).next is Next.DEAD
    assert decide(Result.BLOCKED).next is Next.BLOCKED


def test_the_receivers_wish_only_lengthens() -> None:
    assert decide(Result.FAULT, retry_after_s=77).delay_s == 77
    assert decide(Result.FAULT, retry_after_s=0).delay_s == 5
    assert decide(Result.FAULT, fast_failures=9, retry_after_s=1).delay_s == 3600
    assert decide(Result.REFUSED, retry_after_s=100).delay_s == 100
    assert decide(Result.FAULT, retry_after_s=1e12).delay_s == DAY


def test_a_week_without_power_is_not_the_end() -> None:
    assert decide(Result.FAULT, age_s=7 * DAY).next is Next.WAIT
    assert decide(Result.FAULT, fast_failures=5, age_s=7 * DAY).next is Next.DEAD


@given(st.floats(0, 1), st.integers(0, 40))
def test_jitter_adds_at_most_a_tenth(jitter: float, failures: int) -> None:
    plain = decide(Result.FAULT, fast_failures=failures).delay_s
    assert plain <= decide(Result.FAULT, fast_failures=failures, jitter=jitter).delay_s <= plain * 1.1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-3", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 400, 999999999999.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:01:40", 60.0),
        ("Thu, 99 Jan 1970 00:01:40 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 40.0) == seconds


@given(
    st.lists(
        st.sampled_from(
            ("Mon, ", "01 Jan ", "2026 ", "99999 ", "25:61:61 ", "GMT", "-2359", "+9999999999", "9" * 20, " ")
        ),
        max_size=8,
    ).map("".join)
    | st.text()
)
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    found = retry_after(value, 1.7e9)
    assert found is None or found >= 0


def test_a_number_that_no_date_can_hold_is_no_date() -> None:
    assert retry_after("Fri, 31 Dec 9999 23:59:59 -99999999999999999999", 1.7e9) is None
    assert retry_after("99999999999999999999 Jan 2026 00:00:00 GMT", 1.7e9) is None
