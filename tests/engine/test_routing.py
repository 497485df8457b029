"""From a number to a flow: kazoo.md 2.5, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from callflow.engine.routing import find_flow


def flows(**documents: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: {"flow": {"module": "noop"}, **document} for name, document in documents.items()}


def test_a_number_comes_before_any_pattern() -> None:
    found = find_flow("2000", flows(a={"patterns": ["^2000$"]}, b={"numbers": ["1", "2000"]}))
    assert found is not None
    assert (found.flow_id, found.capture_group, found.no_match) == ("b", "", False)


def test_of_two_flows_with_a_number_the_first_id_is_taken_and_told() -> None:
    found = find_flow("1", flows(b={"numbers": ["1"]}, a={"numbers": ["1"]}))
    assert found is not None
    assert found.flow_id == "a"
    assert "a, b" in found.remarks[0]


def test_a_pattern_is_searched_anywhere() -> None:
    found = find_flow("5551234", flows(a={"patterns": ["12"]}))
    assert found is not None
    assert found.capture_group == "12"


def test_the_longest_group_is_the_capture() -> None:
    found = find_flow("*871234", flows(a={"patterns": [r"^\*(8)(7)?([0-9]+)$"]}))
    assert found is not None
    assert found.capture_group == "1234"


def test_the_pattern_that_catches_most_wins() -> None:
    documents = flows(short={"patterns": ["^1(..)"]}, long={"patterns": ["^1(....)"]})
    found = find_flow("123456", documents)
    assert found is not None
    assert (found.flow_id, found.capture_group) == ("long", "2345")


def test_a_later_pattern_must_be_longer_and_the_order_is_that_of_a_view_reversed() -> None:
    found = find_flow("12", flows(a={"patterns": ["^(1).$"]}, b={"patterns": ["^.(2)$"]}))
    assert found is not None
    assert found.flow_id == "b"  # "(" sorts before ".", so the view has a's pattern first


@pytest.mark.parametrize("pattern", [r"^\*3(?<box>\d+)(?P<none>x)?$", r"^\*3(?P<box>\d+)$"])
def test_named_groups_in_both_spellings(pattern: str) -> None:
    found = find_flow("*3201", flows(a={"patterns": [pattern]}))
    assert found is not None
    assert found.capture_groups == {"box": "201"}
    assert found.capture_group == "201"


def test_lookbehind_is_left_alone() -> None:
    found = find_flow("xy12", flows(a={"patterns": ["(?<=y)12", "(?<!z)9"]}))
    assert found is not None
    assert found.capture_group == "12"


def test_an_empty_capture_still_finds_its_flow() -> None:
    found = find_flow("*97", flows(a={"patterns": [r"^\*97([0-9]*)$"]}))
    assert found is not None
    assert (found.flow_id, found.capture_group, dict(found.capture_groups)) == ("a", "", {})


def test_an_invalid_pattern_is_passed_over_and_told() -> None:
    found = find_flow("12", flows(a={"patterns": ["(", "12"]}))
    assert found is not None
    assert found.flow_id == "a"
    assert "no regular expression" in found.remarks[0]


@pytest.mark.parametrize(
    ("number", "found_it"),
    [
        ("555", True),
        ("+555", True),
        ("++555", True),
        ("*97", False),
        ("alice", False),
        ("+", False),
        ("٣", False),
    ],
)
def test_no_match_takes_only_digits(number: str, found_it: bool) -> None:
    found = find_flow(number, flows(a={"numbers": ["no_match"]}))
    assert (found is not None) is found_it
    if found is not None:
        assert found.no_match


def test_no_match_must_be_allowed_and_a_pattern_comes_before_it() -> None:
    documents = flows(a={"numbers": ["no_match"]}, b={"patterns": ["^5(.*)$"]})
    assert find_flow("999", documents, allow_no_match=False) is None
    found = find_flow("599", documents)
    assert found is not None
    assert (found.flow_id, found.no_match) == ("b", False)


@pytest.mark.parametrize("number", ["", "7"])
def test_no_flow(number: str) -> None:
    assert find_flow(number, flows(a={"numbers": ["1"]})) is None


def test_what_is_no_list_of_strings_is_no_number() -> None:
    assert find_flow("1", flows(a={"numbers": "1"}, b={"numbers": [1, None], "patterns": {"1": "1"}})) is None
