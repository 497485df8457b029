"""Callflows seen together: rounds without end, flows that never come back, recordings into voicemail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from callflow.documents import schemas
from callflow.documents.check import Problem, Surroundings, check_paths
from callflow.documents.check_across import GOES_ON, FlowMap
from callflow.documents.settings import load_settings
from callflow.documents.shipped import system_config_dir
from tests.documents.test_check_branches import node

AROUND = Surroundings(load_settings(system_config_dir()))
END = node("hangup")
ABOUT_TOGETHER = ("CF-CHK-055", "CF-CHK-088", "CF-CHK-107", "CF-CHK-108")


def go(id: str, **children: object) -> dict[str, Any]:
    return node("callflow", {"id": id}, **children)


def account(folder: Path, **flows: object) -> list[Problem]:
    """Check an account with these flows; flow N has the number N00."""
    (folder / "callflows").mkdir()
    (folder / "account.json").write_text("{}", encoding="utf-8")
    for number, (id, flow) in enumerate(flows.items(), 1):
        document = {"id": id, "numbers": [f"{number}00"], "flow": flow}
        (folder / "callflows" / f"{id}.json").write_text(json.dumps(document), encoding="utf-8")
    return check_paths([folder], AROUND)


def told(found: list[Problem]) -> list[tuple[str, str, str]]:
    return [
        (Path(each.file).stem, each.code[-3:], each.pointer) for each in found if each.code in ABOUT_TOGETHER
    ]


def test_a_round_that_every_call_takes(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        a=node("answer", _=go("b")),
        b=node("transfer", {"target": "300"}),
        c=node("play", {"id": "http://h.example/x.wav"}, _=go("a", _=END)),
        d=go("a"),
    )
    places = [
        ("a", "/flow/children/_/data/id"),
        ("b", "/flow/data/target"),
        ("c", "/flow/children/_/data/id"),
    ]
    rounds = [each for each in found if each.code == "CF-CHK-107"]
    assert [(Path(each.file).stem, each.pointer) for each in rounds] == places
    assert "a → b → c → a" in rounds[0].message and "50 branches" in rounds[0].hint


def test_a_round_by_failures_is_a_note(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        main=node("user", {"id": "{U}"}, USER_BUSY=END, _=go("night")),
        night=node("menu", {"id": "{M}"}, **{"1": go("main"), "_": go("main")}),
    )
    assert told(found) == [
        ("main", "108", "/flow/children/_/data/id"),
        ("night", "108", "/flow/children/_/data/id"),
    ]


def test_a_caller_may_go_back_to_the_menu_as_often_as_wanted(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        main=node("menu", {"id": "{M}"}, **{"1": go("sales"), "2": go("main")}),
        sales=node("menu", {"id": "{M}"}, **{"*": go("main"), "_": END}),
        after=node("voicemail", {"id": "{B}"}, _=go("after")),
        skipped=node("callflow", {"id": "skipped", "skip_module": True}, _=END),
    )
    assert told(found) == []


def test_flows_that_never_come_back(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        bye=node("tts", {"text": "bye"}, _=END),
        away=node("answer", _=go("bye")),
        caller=go("away", _=node("voicemail", {"id": "{B}"})),
        perhaps=node("menu", {"id": "{M}"}, **{"1": END}),
        other=go("perhaps", _=END),
        alone=go("bye"),
    )
    assert told(found) == [("caller", "055", "/flow/children/_")]


def test_a_recording_into_another_flows_voicemail(tmp_path: Path) -> None:
    start, stop = {"action": "start"}, {"action": "stop"}
    found = account(
        tmp_path,
        box=node("user", {"id": "{U}"}, _=node("voicemail", {"id": "{B}"})),
        by=go("box"),
        records=node("record_call", start, _=go("by")),
        stops=node("record_call", start, _=node("record_call", stop, _=go("by"))),
        careful=node("record_call", start, _=go("closed")),
        closed=node("record_call", stop, _=go("box")),
        listens=node("record_call", start, _=go("messages")),
        messages=node("voicemail", {"action": "check"}),
    )
    assert told(found) == [("records", "088", "/flow/children/_/data/id")]
    assert "box" in next(each.message for each in found if each.code == "CF-CHK-088")


def test_many_flows_in_one_long_ring() -> None:
    flows: dict[str, dict[str, Any]] = {f"f{n}": {"flow": go(f"f{(n + 1) % 5000}")} for n in range(5000)}
    ways = FlowMap(flows)
    ((edge, way, always),) = ways.loops("f7")
    assert always and edge.target == "f8" and len(way) == 5001


def test_modules_that_go_on_whatever_happens_have_schemas_that_say_so() -> None:
    assert {schemas.module_schema(module)["x-children"] for module in GOES_ON} == {"always"}


def test_whatever_the_documents_are_it_never_raises() -> None:
    odd: dict[str, dict[str, Any]] = {
        "a": {"flow": [], "numbers": 7},
        "b": {"flow": {"module": "callflow", "data": {"id": ["a"]}, "children": {"_": 3}}},
        "c": {"flow": {"module": "callflow", "data": {"id": "gone", "flow": {"module": "callflow"}}}},
        "d": {"flow": {"module": "callflow", "data": {"flow": {"module": "callflow", "data": {"id": "d"}}}}},
    }
    ways = FlowMap(odd)
    assert [len(list(ways.loops(id))) for id in odd] == [0, 0, 0, 1]
    assert ways.ends_by(None) == "" and ways.voicemail_in(5) is None
