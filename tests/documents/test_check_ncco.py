"""check on NCCOs: each code, and its place in the script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.documents.check import Surroundings, check_text
from callflow.documents.judging import fault
from callflow.documents.ncco import action_names, action_schema, prepare_action, recognise
from callflow.documents.settings import load_settings
from callflow.ncco.actions import ACTIONS

AROUND = Surroundings(load_settings())


def check(*script: Any) -> list[tuple[str, str]]:
    """Code and pointer of each problem."""
    problems = check_text(json.dumps(script), "x.json", AROUND)
    return [(problem.code.removeprefix("CF-CHK-"), problem.pointer) for problem in problems]


def test_every_action_of_the_dialect_has_code_or_is_known_to_have_none() -> None:
    assert {*ACTIONS, "pay"} == set(action_names())


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ({"action": "talk", "text": "x", "loop": "2"}, [("132", "/0/loop")]),
        ({"action": "talk", "txt": "x"}, [("073", "/0"), ("074", "/0/txt")]),
        ({"action": "talk", "text": "x", "level": 2}, [("072", "/0/level")]),
        ({"action": "talk", "text": "x", "bargeIn": 1}, [("070", "/0/bargeIn")]),
        ({"action": "record", "eventUrl": "https://a.example"}, [("131", "/0/eventUrl")]),
        ({"action": "record", "eventMethod": "post"}, [("135", "/0/eventMethod")]),
        ({"action": "record", "timeout": 5}, [("130", "/0/timeout")]),
        (
            {"action": "record", "format": "mp3", "channels": 3},
            [("147", "/0/channels"), ("147", "/0/format")],
        ),
        ({"action": "conversation", "name": "a", "mute": True, "canSpeak": []}, [("143", "/0/mute")]),
        ({"action": "connect", "endpoint": [{"type": "app"}]}, [("141", "/0/endpoint/0")]),
        ({"action": "connect", "endpoint": []}, [("076", "/0/endpoint")]),
        ({"action": "connect", "endpoint": [{"type": "x"}]}, [("071", "/0/endpoint/0/type")]),
        ({"action": "wait", "timeout": 9000}, [("137", "/0/timeout")]),
        ({"action": "pay", "amount": 1}, [("145", "/0")]),
        ({"action": "talk", "text": "x", "voiceName": "Amy"}, [("146", "/0/voiceName")]),
        (
            {"action": "stream", "streamUrl": ["http://a.example", "b"]},
            [("133", "/0/streamUrl"), ("134", "/0/streamUrl/1")],
        ),
        ({"action": "notify", "payload": {}, "eventUrl": ["/event"]}, [("134", "/0/eventUrl/0")]),
        (
            {"action": "connect", "endpoint": [{"type": "phone", "number": "me"}]},
            [("136", "/0/endpoint/0/number")],
        ),
        ({"action": "input"}, [("138", "/0")]),
        (
            {"action": "connect", "endpoint": [{"type": "sip", "uri": "http:x"}]},
            [("142", "/0/endpoint/0/uri")],
        ),
        (
            {"action": "connect", "endpoint": [{"type": "websocket", "uri": "ws://a"}]},
            [("148", "/0/endpoint/0")],
        ),
        ({"action": "tallk"}, [("139", "/0/action")]),
        ({"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 99}}, [("072", "/0/dtmf/maxDigits")]),
        ({"action": "input", "type": "dtmf", "mode": "asynchronous"}, [("131", "/0/type")]),
    ],
)
def test_check_says_what_is_wrong_and_where(action: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert sorted(check(action)) == sorted(found)


def test_check_looks_at_the_order_of_actions() -> None:
    prompt = {"action": "talk", "text": "x", "bargeIn": True}
    ask = {"action": "input", "type": ["dtmf"]}
    assert check(prompt, {"action": "talk", "text": "y"}, ask) == []
    assert check(prompt, {"action": "wait"}, ask) == [("149", "/0/bargeIn")]
    assert check({"action": "conversation", "name": "a"}, ask) == [("144", "/1")]
    assert check({"action": "wait"}, {"text": "x"}, 3) == [("140", "/1"), ("140", "/2")]


def test_problems_have_line_and_column() -> None:
    text = '[\n  {"action": "talk", "text": "x",\n   "loop": -1}\n]'
    (problem,) = check_text(text, "x.json", AROUND)
    assert (problem.line, problem.column, problem.message) == (3, 12, "loop -1 is under 0")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9000)
    | st.floats()
    | st.sampled_from(["", "3", "true", "x:y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "uri"]), inner),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_written_there_it_is_read(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(action_names()))
    schema = action_schema(name)
    keys = st.sampled_from([*schema["properties"], *schema.get("x-aliases", {}), "other"])
    written = data.draw(st.dictionaries(keys, VALUES, max_size=4))
    before = json.dumps(written)
    prepared = prepare_action(name, written)
    assert json.dumps(written) == before, "the script itself is not changed"
    for key, part in schema["properties"].items():
        assert key not in prepared.data or fault(prepared.data[key], part) == "", key
    check_text(json.dumps([{"action": name, **written}]), "x.json", AROUND)


def test_what_is_an_ncco() -> None:
    assert recognise([{"action": "talk"}]) and recognise([3, {"action": 1}])
    assert not any(map(recognise, ([], {}, [1], [{"module": "x"}], {"action": "talk"}, "x", None)))
