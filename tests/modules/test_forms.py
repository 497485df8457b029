"""The parts of modules that need no call: how values are read, and what a ring's end leads to."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from callflow.engine.call import BridgeResult
from callflow.engine.outcome import Attempt, Continue, HandOver, Stop
from callflow.media.tones import make_tone
from callflow.modules._bridging import after_bridge
from callflow.modules.branch_variable import as_key
from callflow.modules.collect_dtmf import terminators
from callflow.modules.menu import may_hunt
from callflow.modules.tones import as_tgml
from callflow.modules.webhook import query_of, with_query


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        ("gold", "gold"),
        ("", ""),
        (None, None),
        ([1], None),
        ({}, None),
    ],
)
def test_branch_variable_reads_a_value_as_a_childs_name(value: object, key: str | None) -> None:
    assert as_key(value) == key


def test_tones_objects_sound_as_long_as_they_say() -> None:
    one = {"frequencies": [440, "480"], "duration_on": 200, "duration_off": 100, "repeat": 3, "volume": -10}
    assert as_tgml(one) == "v=-10;l=3;%(200,100,440,480)"
    assert len(make_tone(as_tgml(one), 8000).pcm) == 3 * 300 * 8
    assert as_tgml({"frequencies": [440], "duration_on": 200}) == "%(200,0,440)"
    assert as_tgml("busy") == "busy"


@pytest.mark.parametrize("tone", [{}, {"frequencies": [440]}, {"duration_on": 100}, 7, None])
def test_tones_that_say_too_little_are_no_tones(tone: object) -> None:
    assert as_tgml(tone) == ""


@pytest.mark.parametrize(
    ("allow", "deny", "entered", "may"),
    [
        ("", "", "2001", True),
        ("^2", "", "2001", True),
        ("^2", "", "3001", False),
        ("00", "", "2001", True),  # searched, not anchored
        ("", "^2", "2001", False),
        ("^2", "01$", "2001", False),
        ("(", "", "2001", False),  # invalid: allows nothing
        ("", "(", "2001", True),  # invalid: denies nothing
    ],
)
def test_menu_hunts_only_for_what_both_patterns_let_through(
    allow: str, deny: str, entered: str, may: bool
) -> None:
    assert may_hunt(entered, {"hunt_allow": allow, "hunt_deny": deny}) is may
    assert may_hunt(entered, {"hunt": False, "hunt_allow": allow, "hunt_deny": deny}) is False


def test_collect_dtmf_terminators_come_from_the_list_first() -> None:
    assert terminators({"terminator": "#"}) == "#"
    assert terminators({"terminators": ["*", "0"], "terminator": "#"}) == "*0"
    assert terminators({"terminators": [], "terminator": "#"}) == ""


def test_user_and_device_lead_on_as_the_bridge_ended() -> None:
    assert isinstance(after_bridge(BridgeResult(answered=True, cause="NORMAL_CLEARING", code=200)), Stop)
    moved = BridgeResult(answered=True, cause="NORMAL_CLEARING", transferred=True)
    assert isinstance(after_bridge(moved), HandOver)
    busy = after_bridge(BridgeResult(answered=False, cause="USER_BUSY", code=486))
    assert isinstance(busy, Attempt) and busy.keys == ("USER_BUSY", "sip:486")
    assert isinstance(busy.otherwise, Continue) and busy.otherwise.key == "_"
    silent = after_bridge(BridgeResult(answered=False, cause="NO_ANSWER"))
    assert isinstance(silent, Attempt) and silent.keys == ("NO_ANSWER", "sip:600")
    nothing = after_bridge(BridgeResult(answered=False, cause=""))
    assert isinstance(nothing, Continue) and nothing.key == "_"


def test_webhook_fields_survive_a_query() -> None:
    query = query_of({"a": "x y&z", "custom_data": {"k": [1, True], "none": None, "ü": "ß"}})
    assert parse_qs(query) == {
        "a": ["x y&z"],
        "custom_data[k][0]": ["1"],
        "custom_data[k][1]": ["true"],
        "custom_data[ü]": ["ß"],
    }
    assert with_query("http://h/p", "a=1") == "http://h/p?a=1"
    assert with_query("http://h/p?b=2#x", "a=1") == "http://h/p?b=2&a=1"
    assert urlsplit(with_query("http://h/p?b=2", query)).path == "/p"
