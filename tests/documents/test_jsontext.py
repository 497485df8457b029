"""The strict JSON reader: every mistake is found at its place; the rest is read as json reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.documents import jsontext
from callflow.documents.jsonscan import scan
from callflow.errors import JsonSyntaxError, MissingDocument

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=12,
)

MISTAKES: list[tuple[str | bytes, str, int, int]] = [
    ("", "CF-CHK-011", 1, 1),
    (" \n\t ", "CF-CHK-011", 1, 1),
    ('{"a": 1,\n "b": [1, 2', "CF-CHK-012", 2, 12),
    ('{"a": "x', "CF-CHK-012", 1, 7),
    ('{"a": 1, "b": 2,\n  "a": 3}', "CF-CHK-013", 2, 3),
    (b"\xef\xbb\xbf{}", "CF-CHK-014", 1, 1),
    ("{}".encode("utf-16"), "CF-CHK-014", 1, 1),
    ('{\n  // why\n  "a": 1}', "CF-CHK-015", 2, 3),
    ('{"a": /* so */ 1}', "CF-CHK-015", 1, 7),
    ('{"a": 1} # end', "CF-CHK-015", 1, 10),
    ('{"a": 1,}', "CF-CHK-016", 1, 8),
    ("[1, 2,\n]", "CF-CHK-016", 1, 6),
    ('{"a": NaN}', "CF-CHK-017", 1, 7),
    ("[-Infinity]", "CF-CHK-017", 1, 2),
    ('{"a": 1e999}', "CF-CHK-018", 1, 7),
    ("[123456789012345678901]", "CF-CHK-018", 1, 2),
    ("[" + "9" * 5000 + "]", "CF-CHK-018", 1, 2),
    (b'{"a":\n "\xff"}', "CF-CHK-019", 2, 3),
    ('{"a": "x\ty"}', "CF-CHK-021", 1, 7),
    (r'{"a": "^\*98"}', "CF-CHK-021", 1, 9),
    (r'{"a": "\ud800"}', "CF-CHK-021", 1, 7),
    ("{'a': 1}", "CF-CHK-010", 1, 2),
    ("{a: 1}", "CF-CHK-010", 1, 2),
    ('{"a": {...}}', "CF-CHK-010", 1, 8),
    ('{"a" 1}', "CF-CHK-010", 1, 6),
    ('{"a": 1 "b": 2}', "CF-CHK-010", 1, 9),
    ('{"a": 1,, "b": 2}', "CF-CHK-010", 1, 9),
    ('{"a": [1}', "CF-CHK-010", 1, 9),
    ('{"a": True}', "CF-CHK-010", 1, 7),
    ('{"a": 01}', "CF-CHK-010", 1, 7),
    ("{} {}", "CF-CHK-010", 1, 4),
    ('{"a": \u00a01}', "CF-CHK-010", 1, 7),
]


@pytest.mark.parametrize(("text", "code", "line", "column"), MISTAKES, ids=lambda value: repr(value)[:30])
def test_a_mistake_is_found_at_its_place(text: str | bytes, code: str, line: int, column: int) -> None:
    found = jsontext.examine(text)
    assert [(fault.code, *fault.position) for fault in found.faults][:1] == [(code, line, column)]
    with pytest.raises(JsonSyntaxError) as caught:
        jsontext.parse(text, "x.json")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"x.json:{line}:{column}: ")


def test_one_run_shows_all_mistakes_that_leave_the_meaning_clear() -> None:
    text = '{ // c\n "a": 1, "a": NaN,\n "b": [1,],\n}'
    found = jsontext.examine(text)
    codes = [fault.code[-3:] for fault in found.faults]
    assert codes == ["015", "013", "017", "016", "016"]
    assert found.readable and found.value == {"a": 0, "b": [1]}


def test_a_cut_off_text_names_the_bracket_that_is_open() -> None:
    fault = jsontext.examine('{"flow": {\n "data": {"a": 1}').faults[0]
    assert "the { of line 1, column 10 is not closed" in fault.message


def test_a_flow_of_a_thousand_nodes_is_read_and_a_bottomless_one_refused() -> None:
    deep = '{"module":"noop","data":{},"children":{"_":' * 1500 + "{}" + "}}" * 1500
    found = jsontext.parse(deep)
    pointer = "/children/_" * 1500
    assert found.position(pointer).column == len('{"module":"noop","data":{},"children":{"_":') * 1500 + 1
    bottomless = jsontext.examine("[" * 100_000)
    assert [fault.code for fault in bottomless.faults] == ["CF-CHK-020"]


def test_positions_of_values_and_keys() -> None:
    found = jsontext.parse('{\n  "a/b": {"x~y": [10, {"z": 1}]},\r\n  "é": "ü", "k": 1\n}')
    assert found.position("") == (1, 1)
    assert found.key_position("/a~1b") == (2, 3)
    assert found.position("/a~1b/x~0y/1/z") == (2, 29)
    assert found.position("/k") == (3, 18)
    assert found.position("/a~1b/nowhere/deeper") == found.position("/a~1b")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.write_text('{"module": "answer"}', encoding="utf-8")
    assert jsontext.read(path).value == {"module": "answer"}
    with pytest.raises(MissingDocument):
        jsontext.read(tmp_path / "nothing.json")


@given(JSON, st.sampled_from([None, 2]))
def test_the_scanner_reads_what_json_writes(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    slow = scan(text, jsontext.MAX_DEPTH, jsontext.MAX_INTEGER)
    assert slow.readable and not slow.faults
    assert slow.value == jsontext.parse(text).value == value


@settings(max_examples=300)
@given(st.text(st.sampled_from('{}[]:,"\\ \n\tabu01-.eE/*#N')) | st.binary(max_size=60) | st.text())
def test_nothing_makes_it_raise_and_both_ways_agree(text: str | bytes) -> None:
    found = jsontext.examine(text)
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError):
        assert found.faults
        return
    if not found.faults:
        assert found.value == expected or expected != expected
    assert all(fault.position.line >= 1 and fault.position.column >= 1 for fault in found.faults)
