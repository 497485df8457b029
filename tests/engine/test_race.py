"""Who answers first: the race without anything around it."""

from __future__ import annotations

import pytest

from callflow.engine.dialling.race import ALLOWED, AttemptEvent, AttemptState, Race
from callflow.errors import StateError


def test_delays_are_kept_and_each_rings_for_its_time() -> None:
    race = Race([0, 5], start=100, timeout_s=20)
    assert race.due(100) == [0]
    assert race.next_at() == 105
    assert race.due(104.9) == []
    assert race.due(105) == [1]
    assert race.expired(120) == [0]
    assert race.next_at() == 125
    assert race.expired(125) == [1]
    assert race.over
    assert race.failure == ("NO_ANSWER", 0)


def test_the_first_answer_wins_and_the_others_are_given_back() -> None:
    race = Race([0, 0, 9], start=0, timeout_s=20)
    race.due(0)
    assert race.answered(1) == [0]  # the third never rang
    assert (race.winner, race.over) == (1, True)
    assert race.states == [AttemptState.LOST, AttemptState.ANSWERED, AttemptState.LOST]


def test_it_is_over_when_all_have_failed_and_the_last_reached_one_says_why() -> None:
    race = Race([0, 0, 0], start=0, timeout_s=20)
    race.due(0)
    race.ended(0, "USER_BUSY", 486)
    race.ended(1, "USER_NOT_REGISTERED", 480)
    race.ended(2, "NO_ROUTE_DESTINATION", 404)
    assert race.over
    assert race.failure == ("USER_BUSY", 486)


def test_of_equals_the_latest_says_why() -> None:
    race = Race([0, 0], start=0, timeout_s=20)
    race.due(0)
    race.ended(0, "USER_BUSY", 486)
    race.ended(1, "CALL_REJECTED", 603)
    assert race.failure == ("CALL_REJECTED", 603)


def test_a_single_reject_ends_it_only_if_asked() -> None:
    kind = Race([0, 0], start=0, timeout_s=20)
    kind.due(0)
    assert kind.ended(0, "CALL_REJECTED", 603) == []
    strict = Race([0, 0], start=0, timeout_s=20, fail_on_single_reject=True)
    strict.due(0)
    assert strict.ended(0, "CALL_REJECTED", 603) == [1]
    assert strict.over


def test_nobody_to_ring() -> None:
    race = Race([], start=0, timeout_s=20)
    assert race.over
    assert race.failure == ("", 0)


def test_what_the_table_does_not_allow_is_an_error_that_names_both() -> None:
    race = Race([0], start=0, timeout_s=20)
    with pytest.raises(StateError, match="due cannot answer"):
        race.answered(0)
    race.due(0)
    race.ended(0, "USER_BUSY", 486)
    with pytest.raises(StateError, match="failed cannot answer"):
        race.answered(0)


def test_the_table_is_complete() -> None:
    assert set(ALLOWED) == set(AttemptState)
    assert {event for row in ALLOWED.values() for event in row} == set(AttemptEvent)
