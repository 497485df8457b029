"""Stable codes: one table each, none that nothing gives, none that no table explains, one page for all."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from callflow.documents.codes import CODES
from callflow.errors import CallflowError
from callflow.notices import ERROR, INFO, NOTICES, WARNING
from tests.house.codes import EXAMPLES, PAGE, errors, meaning, render
from tests.house.test_house import ROOT, Trees, parsed


@pytest.fixture(scope="module")
def trees() -> Trees:
    """Read once for all tests of the file."""
    return parsed()


def _given(trees: Trees) -> Iterator[tuple[str, str, str]]:
    """Every run-time code in the package's calls: its place, itself and the level written before it."""
    for path, nodes in trees:
        if path.name == "notices.py":
            continue
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            for level, code in zip([None, *node.args], node.args, strict=False):
                for name in _texts(code):
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield place, name, str(level.value) if isinstance(level, ast.Constant) else "?"


def _texts(node: ast.expr) -> Iterator[str]:
    """The run-time codes that an argument may be (``A if known else B`` holds two)."""
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("CF-RUN-"):
        yield node.value


def test_every_notice_has_a_row_and_every_row_is_given(trees: Trees) -> None:
    assert {code for _, code, _ in _given(trees)} == set(NOTICES)


def test_a_notice_has_the_level_of_its_row(trees: Trees) -> None:
    wrong = [found for found in _given(trees) if found[2] != NOTICES[found[1]].level]
    assert wrong == []


def test_a_run_time_code_is_written_only_where_it_is_given(trees: Trees) -> None:
    written = [
        node.value
        for path, nodes in trees
        if path.name not in {"notices.py", "events.py"}
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "CF-RUN-" in node.value
    ]
    assert sorted(written) == sorted(code for _, code, _ in _given(trees)), (
        "passed on in a way this test misses"
    )


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_is_explained(name: str) -> None:
    code = NOTICES[name]
    assert code.level in {ERROR, WARNING, INFO}
    assert code.title and code.cause.endswith(".") and code.fix.endswith(".")


@pytest.mark.parametrize("kind", [*errors()], ids=lambda kind: kind.__name__)
def test_an_error_is_explained(kind: type[CallflowError]) -> None:
    assert "code" in vars(kind) and "fix" in vars(kind), "each has a code and a fix of its own"
    assert kind.fix.endswith(".") and meaning(kind).endswith(".")


def test_every_error_is_raised_or_noticed_somewhere(trees: Trees) -> None:
    used = {
        node.id
        for path, nodes in trees
        if not path.name.startswith("errors")
        for node in nodes
        if isinstance(node, ast.Name)
    }
    assert {kind.__name__ for kind in errors()} - used == set()


def test_the_page_is_what_the_tables_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render(), "run `make docs`"
    for code in (*CODES, *NOTICES, *(kind.code for kind in errors())):
        assert f"\n| {code} |" in page


def test_every_code_has_an_example_and_every_example_a_code() -> None:
    branches = {kind.code for kind in errors() if kind.code.endswith("-000")}
    known = {*CODES, *NOTICES, *(kind.code for kind in errors())}
    assert set(EXAMPLES) <= known
    assert known - branches - set(EXAMPLES) == set(), (
        "tests/house/code_examples.json: what is told, and its hint"
    )
