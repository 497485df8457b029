"""Settings that do nothing beside the others of their node: told where that is certain, else silent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callflow.documents.check import Surroundings, check_paths, check_text
from callflow.documents.settings import load_settings
from callflow.documents.shipped import system_config_dir
from tests.documents.test_check_branches import node, told

START = {"action": "start"}
SILENT_END = {**START, "silence_detection": True}
GROUP = [{"id": "desk", "endpoint_type": "device", "delay": 30}]

FOUND: list[tuple[object, list[tuple[str, str]]]] = [
    (node("record_call", {"action": "stop", "record_on_bridge": True, "url": "https://h.example/x"}),
     [("078", "/data/record_on_bridge"), ("078", "/data/url")]),
    (node("record_call", {"action": "mask", "time_limit": 60}), [("078", "/data/time_limit")]),
    (node("record_call", {**START, "method": "post"}), [("078", "/data/method")]),
    (node("answer", _=node("record_call", {**START, "record_on_answer": True})),
     [("078", "/children/_/data/record_on_answer")]),
    (node("record_call", {**SILENT_END, "silence_final_timeout": 0}), [("078", "/data/silence_detection")]),
    (node("record_call", {**SILENT_END, "time_limit": 30, "silence_final_timeout": 30}),
     [("079", "/data/silence_final_timeout")]),
    (node("record_call", {**SILENT_END, "time_limit": 30, "silence_initial_timeout": 60000}),
     [("079", "/data/silence_initial_timeout")]),
    (node("ring_group", {"endpoints": GROUP, "timeout": 30}), [("079", "/data/endpoints/0/delay")]),
    (node("ring_group", {"endpoints": GROUP}), [("079", "/data/endpoints/0/delay")]),
]  # fmt: skip

SILENT: list[object] = [
    # Kazoo's API writes the schema's defaults into a stop that it saves
    node("record_call", {"action": "stop", "method": "put", "time_limit": 3600, "record_on_answer": False}),
    node("record_call", {"action": "stop", "label": "x", "media_id": "y", "media_name": "z"}),
    node("record_call", {**START, "method": "post", "url": "https://h.example/x"}),
    node("record_call", {**START, "record_on_answer": True}),
    node("user", {"id": "alice"}, _=node("record_call", {**START, "record_on_answer": True})),
    node("answer", {"skip_module": True}, _=node("record_call", {**START, "record_on_answer": True})),
    node("record_call", {**SILENT_END, "time_limit": 30, "silence_final_timeout": 29}),
    node("record_call", {**SILENT_END, "silence_final_timeout": 0, "silence_initial_timeout": 5}),
    node("ring_group", {"endpoints": GROUP, "timeout": 31}),
    node("callflow", {"id": "{X}"}, _=node("record_call", {**START, "record_on_bridge": True})),
    node("ring_group", {"endpoints": GROUP, "strategy": "single"}),
    node("record_call", {"action": "stop", "url": "https://h.example/x", "skip_module": True}),
]


@pytest.mark.parametrize(("flow", "expected"), FOUND, ids=lambda value: json.dumps(value)[:70])
def test_what_does_nothing_is_told(flow: object, expected: list[tuple[str, str]]) -> None:
    assert sorted(told(flow)) == sorted(expected)


@pytest.mark.parametrize("flow", SILENT, ids=lambda value: json.dumps(value)[:70])
def test_what_does_something_is_left_in_peace(flow: object) -> None:
    assert told(flow) == []


@pytest.mark.parametrize(
    ("unit", "data", "places"),
    [
        ("ms", {**SILENT_END}, ["/data/silence_detection"]),
        ("ms", {**SILENT_END, "silence_final_timeout": 5}, ["/data/silence_final_timeout"]),
        ("ms", {**SILENT_END, "silence_final_timeout": 3000}, []),
        ("s", {**SILENT_END, "silence_final_timeout": 3000}, ["/data/silence_final_timeout"]),
        ("s", {**SILENT_END, "silence_final_timeout": 5}, []),
        ("auto", {**SILENT_END, "silence_final_timeout": 3000}, []),
        ("ms", START, []),
    ],
)
def test_silence_is_judged_in_the_unit_of_the_settings(
    unit: str, data: dict[str, object], places: list[str]
) -> None:
    around = Surroundings(load_settings(system_config_dir(), {"media.silence_timeout_unit": unit}))
    found = check_text(json.dumps(node("record_call", data)), "flow.json", around)
    assert [problem.pointer for problem in found if problem.code == "CF-CHK-082"] == places


def test_flows_are_judged_by_their_accounts_settings(tmp_path: Path) -> None:
    (tmp_path / "callflows").mkdir()
    configs = {"media": {"max_recording_time_limit": 60}}
    (tmp_path / "account.json").write_text(json.dumps({"configs": configs}), encoding="utf-8")
    flow = {"numbers": ["1"], "flow": node("record_call", {**START, "time_limit": 600})}
    (tmp_path / "callflows" / "a.json").write_text(json.dumps(flow), encoding="utf-8")
    around = Surroundings(load_settings(system_config_dir()))
    assert [problem.code for problem in check_paths([tmp_path], around)] == ["CF-CHK-080"]


def test_an_action_that_is_not_known_is_one_mistake_only() -> None:
    assert told(node("record_call", {"action": "strat", "time_limit": 60})) == [("071", "/data/action")]
