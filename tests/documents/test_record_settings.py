"""What a record_call node comes to (DESIGN 5): defaults, clamps, units, origins; no bad value hurts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.documents import schemas
from callflow.documents.record_settings import (
    RecordSettings,
    SilenceSettings,
    choose_storage,
    resolve_record,
    resolve_record_caller,
)
from callflow.documents.settings import Settings, load_settings
from callflow.documents.shipped import system_config_dir

KEYS = [key for key in schemas.module_schema("record_call")["properties"] if key != "skip_module"]
SHIPPED = load_settings(system_config_dir())


def _with(**media: object) -> Settings:
    return load_settings(system_config_dir(), {f"media.{key}": value for key, value in media.items()})


def _record(data: dict[str, Any], settings: Settings = SHIPPED) -> RecordSettings:
    return resolve_record(data, settings)


def test_an_empty_node_has_the_documented_defaults() -> None:
    record = _record({})
    assert (record.action, record.format, record.method, record.time_limit) == ("start", "mp3", "put", 3600)
    assert (record.record_on_answer, record.record_on_bridge, record.should_follow_transfer) == (
        False,
        False,
        True,
    )
    assert (record.url, record.label, record.media_id, record.media_name) == (None, "", "", "")
    assert (record.record_min_sec, record.record_sample_rate, record.silence) == (0, 0, None)
    assert record.notes == ()


@pytest.mark.parametrize(
    ("written", "meant", "notes"),
    [("POST", "post", 0), ("Put", "put", 0), ("patch", "put", 1), ("", "put", 0), (5, "put", 1)],
)
def test_a_verb_in_capitals_is_that_verb(written: object, meant: str, notes: int) -> None:
    record = _record({"method": written})
    assert (record.method, len(record.notes)) == (meant, notes)


@pytest.mark.parametrize("unit", ["auto", "ms", "s"])
def test_record_caller_ends_by_five_seconds_of_silence_unless_told_other(unit: str) -> None:
    settings = _with(silence_timeout_unit=unit)
    plain = resolve_record_caller({"silence_detection": None}, settings)
    assert plain.silence == SilenceSettings(5000, 5000, 200)
    assert plain.notes == () and plain.origins["silence_final_timeout"].source == "default"
    ten = 10_000 if unit == "ms" else 10
    longer = resolve_record_caller({"silence_final_timeout": ten, "silence_threshold": 9}, settings)
    assert longer.silence == SilenceSettings(5000, 10_000, 9)
    assert longer.origins["silence_final_timeout"].source == "node"
    assert resolve_record_caller({"silence_detection": False}, settings).silence is None


@pytest.mark.parametrize("bad", ["_design/x", ".", "..", "a\nb", "x" * 201])
def test_an_id_that_couchdb_cannot_have_is_not_used(bad: str) -> None:
    record = _record({"media_id": bad})
    assert (record.media_id, [note.code for note in record.notes]) == ("", ["CF-CHK-072"])
    assert _record({"media_id": "202611-a/b ü@..x"}).notes == ()


def test_every_documented_key_has_an_origin() -> None:
    record = _record({"time_limit": 60}, _with(record_min_sec=2))
    assert set(record.origins) == set(KEYS) - {"origin"}
    assert record.origins["time_limit"].source == "node" and record.origins["method"].source == "default"
    assert record.origins["format"].source == "shipped"
    assert record.record_min_sec == 2 and record.origins["record_min_sec"].source == "argument"


@pytest.mark.parametrize(
    ("given_limit", "most", "expected", "noted"),
    [
        (5, 10800, 5, []),
        (10800, 10800, 10800, []),
        (10801, 10800, 10800, ["CF-CHK-080"]),
        ("600", 10800, 600, ["CF-CHK-075"]),
        (15000, 20000, 15000, []),
        (4, 10800, 5, ["CF-CHK-072"]),
        (1, 10800, 5, ["CF-CHK-072"]),
        (0, 10800, 3600, ["CF-CHK-072"]),
        (-1, 10800, 3600, ["CF-CHK-072"]),
        ("soon", 10800, 3600, ["CF-CHK-072"]),
        (None, 10800, 3600, []),
        (None, 600, 600, ["CF-CHK-080"]),
        (700, 600, 600, ["CF-CHK-080"]),
    ],
)
def test_time_limit(given_limit: object, most: int, expected: int, noted: list[str]) -> None:
    record = _record({"time_limit": given_limit}, _with(max_recording_time_limit=most))
    assert record.time_limit == expected
    assert [note.code for note in record.notes] == noted


@pytest.mark.parametrize(
    ("value", "unit", "ms", "doubtful"),
    [
        (5, "auto", 5000, False),
        (0, "auto", 0, False),
        (60, "auto", 60_000, False),
        (61, "auto", 61_000, True),
        (499, "auto", 499_000, True),
        (500, "auto", 500, True),
        (999, "auto", 999, True),
        (1000, "auto", 1000, False),
        (5, "ms", 5, False),
        (700, "ms", 700, False),
        (700, "s", 700_000, False),
    ],
)
def test_the_unit_of_silence_timeouts(value: int, unit: str, ms: int, doubtful: bool) -> None:
    data = {"silence_detection": True, "silence_final_timeout": value, "silence_initial_timeout": value}
    record = _record(data, _with(silence_timeout_unit=unit))
    assert record.silence == SilenceSettings(ms, ms, 200)
    assert [note.code for note in record.notes] == ["CF-CHK-082"] * (2 * doubtful)


def test_silence_keys_are_inert_without_detection() -> None:
    assert _record({"silence_final_timeout": 3, "silence_initial_timeout": 4}).silence is None
    assert _record({"silence_detection": "false", "silence_final_timeout": 3}).silence is None
    assert _record({"silence_detection": "true"}).silence == SilenceSettings(0, 5000, 200)


def test_an_unknown_action_is_kept_and_is_an_error() -> None:
    for action in ("strat", "toggle", "", 7):
        record = _record({"action": action})
        assert record.action not in ("start", "stop")
        assert [note.level for note in record.notes] == ["error"]


def test_bad_values_give_way_with_a_note_each() -> None:
    data = {"format": "ogg", "method": "patch", "record_sample_rate": 9000, "label": 7, "record_min_sec": -1,
            "record_on_answer": "maybe"}  # fmt: skip
    record = _record(data, _with(**{"call_recording.extension": "wav"}))
    assert (record.format, record.method, record.record_sample_rate, record.label) == ("wav", "put", 0, "")
    assert (record.record_min_sec, record.record_on_answer) == (0, False)
    assert {note.key for note in record.notes} == set(data)


def test_an_empty_url_is_no_url_and_origin_is_read_only() -> None:
    record = _record({"url": "", "origin": "me"})
    assert record.url is None
    assert [note.code for note in record.notes] == ["CF-CHK-083"]


@pytest.mark.parametrize(
    ("url", "media", "kind", "base"),
    [
        ("http://h/p", {"store_recordings": False}, "http", "http://h/p"),
        (None, {}, "local", ""),
        (None, {"store_recordings": False, "third_party_bigcouch_host": "http://couch"}, "none", ""),
        (None, {"third_party_bigcouch_host": "http://couch"}, "couchdb", "http://couch"),
    ],
)
def test_storage(url: str | None, media: dict[str, object], kind: str, base: str) -> None:
    choice = choose_storage(url, _with(**media), {})
    assert (choice.kind, choice.url) == (kind, base) and choice.reason


VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-10, 20000) | st.floats() | st.text(max_size=6) | st.just([{}])
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.integers(5, 20000))
def test_whatever_is_written_something_can_be_recorded(data: dict[str, Any], most: int) -> None:
    record = _record(data, _with(max_recording_time_limit=most))
    assert 5 <= record.time_limit <= most
    assert record.format in ("mp3", "wav") and record.method in ("put", "post") and record.record_min_sec >= 0
    assert isinstance(record.record_on_answer, bool) and isinstance(record.should_follow_transfer, bool)
    assert resolve_record(data, SHIPPED) == resolve_record(data, SHIPPED)
