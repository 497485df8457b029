"""Regular expressions of documents that would take for ever: they are given up, wherever they stand."""

from __future__ import annotations

import re
import time

import pytest

from callflow.documents.formatters import read_formatters
from callflow.documents.metaflows import MetaflowSet
from callflow.documents.pattern_samples import samples_of
from callflow.documents.patterns import LIMIT_S, MAX_PATTERN, MAX_TEXT, MOST_GIVEN_UP, compile_pattern
from callflow.documents.resources import number_by_rules
from callflow.engine.routing import find_flow
from callflow.modules.menu import may_hunt

FOR_EVER = r"^(\d|[0-9])*$"
NUMBER = "1" * 60 + "x"


def evil(mark: int) -> str:
    """An expression of its own for each test: what was given up too often is not tried again."""
    return FOR_EVER + "|" + "y" * (mark + 2)


def test_it_is_given_up_and_then_not_tried_any_more() -> None:
    pattern = compile_pattern(evil(0))
    assert pattern.search("1234") and pattern.groups == 1
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(re.error, match="longer than 50 ms"):
            pattern.search(NUMBER)
    assert time.monotonic() - began < 5 * MOST_GIVEN_UP * LIMIT_S + 5
    assert pattern.finds(NUMBER) is None


def test_the_places_where_strangers_numbers_meet_them() -> None:
    flows = {"a": {"patterns": [evil(1)]}, "b": {"patterns": ["x$"]}}
    found = find_flow(NUMBER, flows)
    assert found is not None and found.flow_id == "b" and "no regular expression" in found.remarks[0]
    assert number_by_rules([evil(2), "^(1+)x$"], NUMBER) == NUMBER[:-1]
    rules = {"formatters": {"to": [{"regex": evil(3), "prefix": "9"}]}}
    assert read_formatters(rules).apply(NUMBER, "to") == NUMBER
    assert not may_hunt(NUMBER, {"hunt_allow": evil(4)})
    assert not may_hunt(NUMBER, {"hunt_deny": evil(5)})
    keys = MetaflowSet("*", 500, "self", {}, {evil(6): {"module": "hangup"}}, ())
    assert keys.find(NUMBER) is None
    assert samples_of(evil(7)).texts


def test_lengths_are_bounded() -> None:
    assert compile_pattern("1+").search("1" * (MAX_TEXT + 1)) is None
    with pytest.raises(re.error, match="longer than"):
        compile_pattern("1" * (MAX_PATTERN + 1))
    with pytest.raises(re.error):
        compile_pattern("(" * 400 + ")" * 400 + "[")
