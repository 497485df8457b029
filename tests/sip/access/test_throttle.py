"""Addresses that guess or scan are ignored for a while; the others are not."""

from __future__ import annotations

import pytest

from callflow.channels.sip import throttle
from callflow.channels.sip.throttle import Throttle


def test_failures_within_a_minute_ban_the_address_for_a_while() -> None:
    guard = Throttle(limit=3, ban_s=60)
    assert [guard.failed("a", at) for at in (0.0, 1.0, 2.0)] == [False, False, True]
    assert guard.banned("a", 61.9) and not guard.banned("a", 62.0) and not guard.banned("b", 3.0)


def test_failures_further_apart_do_not() -> None:
    guard = Throttle(limit=3, ban_s=60)
    assert not any(guard.failed("a", at) for at in (0.0, 30.0, 60.0, 90.0, 120.0, 150.0))


def test_challenges_that_are_answered_are_no_scan() -> None:
    guard = Throttle(limit=2, ban_s=60)
    for at in range(500):
        guard.challenged("office", float(at) / 100)
        guard.proved("office")
    assert not guard.scanning("office", 20.0)


def test_a_hundred_phones_that_start_at_once_are_no_scan() -> None:
    guard = Throttle(limit=2, ban_s=60)
    for _ in range(100):
        guard.challenged("office", 0.0)
    assert not guard.scanning("office", 2.0), "their answers are on the way"


def test_challenges_that_nobody_answers_are_a_scan_for_a_minute() -> None:
    guard = Throttle(limit=2, ban_s=60)
    for at in range(10):
        guard.challenged("a", float(at))
    assert not guard.scanning("a", 13.0) and guard.scanning("a", 14.0) and not guard.scanning("a", 60.0)


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MAX_ADDRESSES", 5)
    guard = Throttle(limit=1, ban_s=60)
    for n in range(20):
        guard.failed(f"h{n}", 0.0)
        guard.challenged(f"h{n}", 0.0)
    assert [n for n in range(20) if guard.banned(f"h{n}", 1.0)] == [15, 16, 17, 18, 19]


def test_what_is_kept_of_an_address_is_bounded() -> None:
    guard = Throttle(limit=2, ban_s=60)
    for _ in range(10_000):
        guard.challenged("a", 0.0)
    (record,) = guard._records.values()
    assert len(record.challenges) == 20


def test_all_addresses_of_an_ipv6_network_are_one() -> None:
    guard = Throttle(limit=3, ban_s=60)
    for last in ("1", "2", "dead:beef"):
        guard.failed(f"2001:db8:7:8::{last}", 0.0)
    assert guard.banned("2001:db8:7:8:ffff::9", 1.0) and not guard.banned("2001:db8:7:9::1", 1.0)
    assert not guard.banned("::1", 1.0) and not guard.banned("::ffff:192.0.2.1", 1.0)
