"""Casting, placeholders, patterns and the run-time reading of a node's data."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.documents import schemas
from callflow.documents.casting import cast
from callflow.documents.judging import fault
from callflow.documents.moduledata import prepare, prepare_document
from callflow.documents.patterns import compile_pattern
from callflow.documents.placeholders import fill, names

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("600", "integer", 600),
        (" -5 ", "integer", -5),
        ("6.5", "number", 6.5),
        ("true", "boolean", True),
        ("False", "boolean", False),
        (600.0, "integer", 600),
        ("6x", "integer", "6x"),
        ("", "integer", ""),
        ("yes", "boolean", "yes"),
        ("600", "string", "600"),
        ("600", ["string", "null"], "600"),
        (True, "integer", True),
        ("9" * 30, "integer", "9" * 30),
    ],
)
def test_casting_as_kazoo_does(value: object, kind: object, expected: object) -> None:
    now, notes = cast({"k": [value]}, {"properties": {"k": {"items": {"type": kind}}}})
    assert now == {"k": [expected]} and type(now["k"][0]) is type(expected)
    assert [note.path for note in notes] == (
        [("k", 0)] if expected is not value and expected != value else []
    ) or (isinstance(value, float))


def test_casting_leaves_its_argument_alone() -> None:
    data = {"timeout": "20", "nested": {"a": "1"}}
    before = copy.deepcopy(data)
    cast(data, schemas.module_schema("user"))
    assert data == before


def test_prepare_casts_clamps_and_fills_in() -> None:
    prepared = prepare("user", {"id": "alice", "timeout": "20", "delay": -3, "strategy": "both", "x": 1})
    assert prepared.data == {
        "id": "alice", "timeout": 20, "delay": 0, "strategy": "simultaneous", "x": 1,
        "can_call_self": False, "fail_on_single_reject": False, "suppress_clid": False, "skip_module": False,
    }  # fmt: skip
    assert [(note.level, note.key) for note in prepared.notes] == [
        ("note", "timeout"),
        ("warning", "delay"),
        ("warning", "strategy"),
    ]
    assert "the default" in prepared.notes[2].message and "0 is used" in prepared.notes[1].message


def test_a_bad_value_without_default_is_left_out() -> None:
    prepared = prepare("collect_dtmf", {"interdigit_timeout": "soon", "terminators": ["x"]})
    assert "interdigit_timeout" not in prepared.data and "terminators" not in prepared.data
    assert prepared.data["terminator"] == "#"


def test_a_bad_action_is_kept_for_the_module_to_refuse() -> None:
    prepared = prepare("voicemail", {"action": "strat"})
    assert prepared.data["action"] == "strat"
    assert [note.level for note in prepared.notes] == ["error"]
    assert prepare("voicemail", {}).data["action"] == "compose"


def test_record_keys_are_left_to_record_settings() -> None:
    given_data = {"action": "strat", "time_limit": 99999, "format": "ogg"}
    prepared = prepare("record_call", given_data)
    assert prepared.data == {**given_data, "skip_module": False} and not prepared.notes


def test_an_unknown_module_keeps_its_data() -> None:
    assert prepare("nope", {"voice_url": 5}).data == {"voice_url": 5}


def test_documents_get_their_defaults_and_secrets_stay_secret() -> None:
    box = prepare_document(
        "vmbox", {"mailbox": "1001", "name": "x", "pin": "12", "media": {"unavailable": 5}}
    )
    assert box.data["skip_greeting"] is False and "pin" not in box.data and box.data["media"] == {}
    assert not any("12" in note.message for note in box.notes)


@given(st.sampled_from(schemas.module_names()), st.data())
def test_prepare_never_raises_and_what_it_gives_fits(module: str, data: st.DataObject) -> None:
    properties = schemas.module_schema(module)["properties"]
    given_data: dict[str, Any] = data.draw(
        st.dictionaries(st.sampled_from(list(properties)), JSON, max_size=4)
    )
    prepared = prepare(module, given_data).data
    for key, part in properties.items():
        if key in prepared and "x-judged-by" not in part and part.get("x-bad-value") != "keep":
            assert not fault(prepared[key], part), key


LOOKUP = {"ACCOUNT_ID": "acme", "FROM": "+49 30/5", "BASE": "https://h:8/p", "lower": "low"}


def test_placeholders_in_any_text_and_encoded_in_urls() -> None:
    filled = fill(
        {
            "url": "http://h/{ACCOUNT_ID}/{FROM}?x={FROM}",
            "uri": "{BASE}/{FROM}",
            "label": "{FROM} of {lower}",
            "list": [{"deep": "{ACCOUNT_ID}{ACCOUNT_ID}"}, 7, None],
            "{FROM}": True,
        },
        LOOKUP,
    )
    assert filled.missing == ()
    assert filled.value == {
        "url": "http://h/acme/%2B49%2030%2F5?x=%2B49%2030%2F5",
        "uri": "https://h:8/p/%2B49%2030%2F5",
        "label": "+49 30/5 of low",
        "list": [{"deep": "acmeacme"}, 7, None],
        "{FROM}": True,
    }


def test_placeholders_that_nothing_resolves() -> None:
    value = {"url": "http://h/{USER_ID}/{USER_ID}", "text": "{not_meant} [0-9]{10} \\p{L} {VMBOX_ID}"}
    filled = fill(value, LOOKUP)
    assert filled.missing == ("USER_ID", "VMBOX_ID")
    assert filled.value == value and filled.value is not value
    assert names(value) == ("USER_ID", "not_meant", "VMBOX_ID")


def test_only_the_beginning_of_a_url_may_bring_a_host() -> None:
    lookup = {"X": "http://evil/"}
    assert fill({"url": "http://good/{X}"}, lookup).value == {"url": "http://good/http%3A%2F%2Fevil%2F"}


def test_placeholders_in_a_bottomless_value() -> None:
    value: Any = "{ACCOUNT_ID}"
    for _ in range(5000):
        value = [value]
    filled = fill(value, LOOKUP).value
    for _ in range(5000):
        filled = filled[0]
    assert filled == "acme"
    while value != "{ACCOUNT_ID}":
        value = value[0]


@given(JSON)
def test_values_without_placeholders_stay_as_they_are(value: Any) -> None:
    filled = fill(value, {})
    if not filled.missing:
        assert filled.value == value


def test_patterns_are_read_as_kazoo_writes_them() -> None:
    found = compile_pattern(r"^\*98(?<box>[0-9]*)(?<!x)$").search("*981001")
    assert found is not None and found.groupdict() == {"box": "1001"}


@pytest.mark.parametrize("key", ["url", "id", "cdr_url", "media"])
def test_what_a_caller_shows_adds_nothing_to_a_url_under_any_key(key: str) -> None:
    shown = {"FROM": "../../admin?x=1#@evil.example"}
    filled = fill({key: "HTTPS://media.example/{FROM}.wav", "text": "call {FROM}"}, shown).value
    assert filled[key] == "HTTPS://media.example/..%2F..%2Fadmin%3Fx%3D1%23%40evil.example.wav"
    assert filled["text"] == f"call {shown['FROM']}"
