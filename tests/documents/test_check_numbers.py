"""Patterns that no number reaches: shown by example, never guessed; who wins is what the engine does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.documents.check import check_paths
from callflow.documents.check_numbers import NumberMap
from callflow.documents.pattern_samples import LONGEST, MOST, samples_of
from callflow.documents.patterns import compile_pattern
from callflow.engine.routing import find_flow
from tests.documents.test_check_across import AROUND
from tests.documents.test_check_branches import node

Flows = dict[str, dict[str, list[str]]]


def flows(**given_patterns: str) -> Flows:
    return {id: {"numbers": [], "patterns": [pattern]} for id, pattern in given_patterns.items()}


@pytest.mark.parametrize(
    ("lost", "other", "all_of_them"),
    [
        (r"^2([0-9]{3})$", r"^([0-9]{4})$", False),
        (r"^\*97$", r"^\*9[0-9]$", True),  # as long, and [ sorts behind 7: the engine tries it first
        (r"^\*(97)$", r"^(\*97)$", True),
        (r"^00(\d+)$", r"^(\d+)$", False),
        (r"^1(23|45)$", r"^(1\d\d)$", True),
        (r"^\+1(\d{10})$", r"^(\+?1\d{10})$", False),
    ],
)
def test_a_pattern_that_loses_every_number(lost: str, other: str, all_of_them: bool) -> None:
    numbers = NumberMap(flows(a=lost, b=other))
    found = numbers.shadow("a", lost)
    assert found is not None and found.winner == "b" and found.all is all_of_them
    assert compile_pattern(lost).search(found.example)
    assert numbers.shadow("b", other) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"^2([0-9]{3})$", r"^2([0-8][0-9]{2})$"),
        (r"^(\d{4})$", r"^(2\d{3})$"),
        (r"^(\d+)$", r"^(\d{11})$"),
        (r"^\*(\d+)$", r"^(\d+)$"),
        (r"^(?=2)(\d+)$", r"^(\d+)$"),  # look-ahead: not generated, so nothing is said
        (r"^(\d)\1$", r"^(\d\d)$"),
        (r"(", r"^(\d+)$"),
    ],
)
def test_a_pattern_that_keeps_a_number_is_left_in_peace(one: str, other: str) -> None:
    numbers = NumberMap(flows(a=one, b=other))
    assert numbers.shadow("a", one) is None


def test_a_number_goes_before_a_pattern() -> None:
    listed: Flows = {"a": {"numbers": ["2001"], "patterns": []}, **flows(b="^2001$", c="^200[12]$")}
    found = NumberMap(listed).shadow("b", "^2001$")
    assert found is not None and found.winner == "a" and found.all and found.tried == 1
    assert NumberMap(listed).shadow("c", "^200[12]$") is None


def test_a_number_of_the_same_callflow_does_not_make_its_pattern_reached() -> None:
    own: Flows = {"a": {"numbers": ["2000"], "patterns": ["^2([0-9]{3})$"]}, **flows(b="^([0-9]{4})$")}
    found = NumberMap(own).shadow("a", "^2([0-9]{3})$")
    assert found is not None and found.winner == "b" and found.example != "2000"
    both: Flows = {"a": {"numbers": ["2000"], "patterns": ["^2000$"]}}
    assert NumberMap(both).shadow("a", "^2000$") is None


def test_it_is_told_in_the_account(tmp_path: Path) -> None:
    (tmp_path / "callflows").mkdir()
    (tmp_path / "account.json").write_text("{}", encoding="utf-8")
    for id, pattern in {"sales": r"^2([0-9]{3})$", "all": r"^([0-9]{4})$"}.items():
        flow = {"id": id, "patterns": [pattern], "flow": node("hangup")}
        (tmp_path / "callflows" / f"{id}.json").write_text(json.dumps(flow), encoding="utf-8")
    (found,) = check_paths([tmp_path], AROUND)
    assert (found.code, found.pointer, Path(found.file).name) == ("CF-CHK-106", "/patterns/0", "sales.json")
    assert "2000, for one, goes to all, which has ^([0-9]{4})$, which catches more of it" in found.message


PIECES = st.sampled_from(
    ["1", "2", "[0-9]", r"\d", r"\*", "(3|45)", "(6", ")", "?", "+", "*", "{2}", "{1,3}", "^", "$", ".",
     "[^2]", "|", "(?<n>7)", "[a-z]", r"\w", "(?=1)", r"\1"]
)  # fmt: skip
PATTERNS = st.lists(PIECES, min_size=1, max_size=7).map("".join)


@given(PATTERNS)
def test_samples_are_bounded_and_fit(pattern: str) -> None:
    samples = samples_of(pattern)
    assert len(samples.texts) <= MOST and all(0 < len(text) <= LONGEST for text in samples.texts)
    if samples.texts:
        compiled = compile_pattern(pattern)
        assert all(compiled.search(text) for text in samples.texts)


@given(st.lists(PATTERNS, min_size=1, max_size=4), st.text("0123456789*#+", min_size=1, max_size=6))
def test_the_winner_is_the_engines(patterns: list[str], number: str) -> None:
    documents = {
        f"f{n}": {"numbers": ["12"] if n == 1 else [], "patterns": [p]} for n, p in enumerate(patterns)
    }
    found = find_flow(number, documents, allow_no_match=False)
    assert NumberMap(documents).winner(number)[0] == (found.flow_id if found else "")


@given(PATTERNS)
def test_complete_means_complete(pattern: str) -> None:
    """Every number of up to three characters that fits is among the samples, where they say to be all."""
    samples = samples_of(pattern)
    if not samples.complete:
        return
    compiled = compile_pattern(pattern)
    short = ["1", "2", "7", "12", "21", "45", "123", "345", "777", "*1", "1*", "99", "645", "36"]
    assert {text for text in short if compiled.search(text)} <= set(samples.texts)
    assert re.match(r"\^", pattern)


def test_an_application_shares_its_numbers_with_nobody(tmp_path: Path) -> None:
    """Each is told with who else has it; the same file name in another folder is another document."""
    documents = {
        "account.json": {},
        "callflows/one.json": {"numbers": ["+100"], "flow": node("noop")},
        "applications/one.json": {"numbers": ["100", "200"], "answer_url": "https://example.com/"},
        "applications/two.json": {"numbers": ["+200", "300"], "answer_url": "https://example.com/"},
    }
    for name, document in documents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(document))
    found = check_paths([tmp_path], AROUND)
    told = [(each.pointer, each.message) for each in found if each.code == "CF-CHK-102"]
    assert told == [
        ("/numbers/0", '"100" is also in callflows/one.json'),
        ("/numbers/1", '"200" is also in applications/two.json'),
        ("/numbers/0", '"+200" is also in applications/one.json'),
    ]
