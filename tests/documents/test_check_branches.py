"""Branches that no call takes: found where data and documents say so for certain, silent everywhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callflow.documents.check import Surroundings, check_text
from callflow.documents.settings import load_settings
from callflow.documents.shipped import system_config_dir

AROUND = Surroundings(
    load_settings(system_config_dir()),
    {
        "menu": frozenset({"main", "long"}),
        "device": frozenset({"desk", "off"}),
        "temporal_rule": frozenset({"open", "lunch", "never"}),
        "user": frozenset({"alice", "gone"}),
    },
    documents={
        "menu": {"main": {"name": "Main"}, "long": {"max_extension_length": 6}},
        "device": {"desk": {"enabled": True, "owner_id": "alice"}, "off": {"enabled": False}},
        "user": {"alice": {"enabled": True}, "gone": {"enabled": False}},
        "temporal_rule": {"open": {}, "lunch": {"enabled": True}, "never": {"enabled": False}},
    },
)


def node(module: str, data: dict[str, Any] | None = None, **children: object) -> dict[str, Any]:
    return {"module": module, "data": data or {}, "children": children}


def told(flow: object) -> list[tuple[str, str]]:
    """Code and place of every problem, but for modules that have no code here."""
    found = check_text(json.dumps(flow), "flow.json", AROUND)
    return [(problem.code[-3:], problem.pointer) for problem in found if problem.code != "CF-CHK-061"]


END = {"module": "hangup", "data": {}}
ROUTE = {"rules": ["open"]}
OF_USER = {"variable": "enabled", "scope": "user"}

FOUND: list[tuple[object, list[tuple[str, str]]]] = [
    (node("menu", {"id": "main"}, **{"12345": END}), [("053", "/children/12345")]),
    (node("menu", {"id": "main"}, sales=END), [("053", "/children/sales")]),
    (node("menu", {"id": "main"}, **{"1#": END}), [("053", "/children/1#")]),
    (node("menu", {"id": "main"}, Timeout=END), [("053", "/children/Timeout")]),
    (node("branch_variable", OF_USER, yes=END), [("053", "/children/yes")]),
    (node("branch_variable", OF_USER, **{"True": END}), [("053", "/children/True")]),
    (node("answer", {"skip_module": "true"}, **{"1": END}),
     [("075", "/data/skip_module"), ("052", "/children/1")]),
    (node("user", {"id": "alice", "skip_module": True}, USER_BUSY=END), [("052", "/children/USER_BUSY")]),
    (node("user", {"id": "alice"}, USER_BUSSY=END), [("054", "/children/USER_BUSSY")]),
    (node("offnet", {}, NO_ANSWR=END), [("054", "/children/NO_ANSWR")]),
    (node("device", {"id": "off"}), [("105", "/data/id")]),
    (node("user", {"id": "gone"}), [("105", "/data/id")]),
    (node("ring_group", {"endpoints": [{"id": "off", "endpoint_type": "device"}]}),
     [("105", "/data/endpoints/0/id")]),
]  # fmt: skip

SILENT: list[object] = [
    node("menu", {"id": "main"}, **{"1": END, "1234": END, "*": END, "#": END, "timeout": END, "_": END}),
    node("menu", {"id": "main"}, max_retries=END, **{"0": END}),
    node("menu", {"id": "long"}, **{"123456": END}),
    node("branch_variable", {"variable": "enabled", "scope": "user"}, true=END, false=END, _=END),
    node("branch_variable", {"variable": "anything", "scope": "user"}, **{"True": END}),
    node("branch_variable", {"variable": "enabled"}, **{"True": END}),  # a channel variable of that name
    node("hangup", {"skip_module": True}, _=END),
    node("user", {"id": "alice"}, USER_BUSY=END, MY_OWN_CAUSE=END, **{"sip:486": END}),
    node("device", {"id": "desk"}, _=node("device", {"id": "{DEVICE_ID}"})),
]


@pytest.mark.parametrize(("flow", "expected"), FOUND, ids=lambda value: json.dumps(value)[:70])
def test_a_branch_that_nobody_takes_is_told(flow: object, expected: list[tuple[str, str]]) -> None:
    assert sorted(told(flow)) == sorted(expected)


@pytest.mark.parametrize("flow", SILENT, ids=lambda value: json.dumps(value)[:70])
def test_what_can_be_taken_is_left_in_peace(flow: object) -> None:
    assert told(flow) == []


def _branch(module: str, data: dict[str, Any], *keys: str) -> list[str]:
    """The keys that would be called dead, whether or not the module has code here."""
    from callflow.documents.check_branches import _dead

    return [key for key, _ in _dead(module, data, dict.fromkeys(keys), AROUND)]


def test_check_cid_goes_by_its_mode() -> None:
    assert _branch("check_cid", {}, "match", "nomatch", "_") == []
    assert _branch("check_cid", {}, "2001", "match") == ["2001"]
    assert _branch("check_cid", {"use_absolute_mode": True}, "2001", "match", "_") == ["match"]


def test_temporal_route_goes_to_rules_that_are_there() -> None:
    assert _branch("temporal_route", ROUTE, "open", "lunch", "_") == []
    assert _branch("temporal_route", ROUTE, "opem", "rule_set") == ["opem", "rule_set"]
    assert _branch("temporal_route", {"rule_set": "week"}, "rule_set") == []
    assert _branch("temporal_route", {"action": "enable"}, "open", "_") == ["open"]


def test_hints_name_what_was_meant() -> None:
    def hints(flow: object) -> list[str]:
        return [problem.hint for problem in check_text(json.dumps(flow), "flow.json", AROUND)]

    assert hints(node("menu", {"id": "main"}, Timeout=END)) == ["did you mean timeout?"]
    assert hints(node("user", {"id": "alice"}, USER_BUSSY=END)) == ["did you mean USER_BUSY?"]
    assert hints(node("branch_variable", {"variable": "enabled", "scope": "user"}, **{"True": END})) == [
        "did you mean true?"
    ]
