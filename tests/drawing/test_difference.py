"""Two flows compared as trees."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from typer.testing import CliRunner

from callflow.cli import app_for
from callflow.drawing.difference import Change, compare
from callflow.engine.flow import Flow
from tests.drawing.test_picture import FLOWS
from tests.modules.stage import keyed, node

RING = node("user", {"id": "alice", "timeout": 20}, then=node("voicemail", {"id": "box"}))
MAIN = keyed(node("menu", {"id": "main"}, then=node("hangup")), k1=RING, k2=node("callflow", {"id": "other"}))


def _compare(old: object, new: object) -> list[Change]:
    return compare(Flow.parse(old), Flow.parse(new))


def _told(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(change.kind, change.module, change.was, change.path) for change in changes]


@settings(max_examples=60, deadline=None)
@given(FLOWS, FLOWS)
def test_a_flow_is_like_itself_and_every_node_is_accounted_for(one: Any, other: Any) -> None:
    assert _compare(one, copy.deepcopy(one)) == []
    changes = _compare(one, other)
    assert (changes == []) == (one == other)
    added = sum(change.nodes for change in changes if change.kind == "added")
    removed = sum(change.nodes for change in changes if change.kind == "removed")
    assert _size(other) - _size(one) == added - removed


def _size(flow: Any) -> int:
    return 1 + sum(_size(child) for child in flow["children"].values())


def test_keys_and_order_of_children_are_no_difference() -> None:
    turned = json.loads(json.dumps(MAIN, sort_keys=True))
    turned["children"] = dict(reversed(turned["children"].items()))
    assert _compare(MAIN, turned) == []


def test_data_that_changed() -> None:
    new = copy.deepcopy(MAIN)
    new["children"]["1"]["data"] = {"id": "alice", "timeout": 30, "delay": 2}
    (change,) = _compare(MAIN, new)
    assert (change.kind, change.path) == ("changed", "/children/1")
    assert change.keys == (("timeout", 20, 30), ("delay", None, 2))


def test_a_branch_under_another_key_moved() -> None:
    new = copy.deepcopy(MAIN)
    new["children"]["3"] = new["children"].pop("1")
    assert _told(_compare(MAIN, new)) == [("moved", "user", "/children/1", "/children/3")]


def test_a_node_put_before_others_moves_them_and_does_not_change_them() -> None:
    new = keyed(copy.deepcopy(MAIN), k1=node("record_call", {"action": "start"}, then=RING))
    assert _told(_compare(MAIN, new)) == [
        ("added", "record_call", "", "/children/1"),
        ("moved", "user", "/children/1", "/children/1/children/_"),
    ]
    assert [change.nodes for change in _compare(MAIN, new)] == [1, 2]


def test_moved_and_changed_at_once() -> None:
    new = copy.deepcopy(MAIN)
    moved = new["children"].pop("1")
    moved["data"]["timeout"] = 5
    new["children"]["4"] = moved
    kinds = {change.kind for change in _compare(MAIN, new)}
    assert kinds == {"moved", "changed"}


def test_another_module_at_the_same_place() -> None:
    new = copy.deepcopy(MAIN)
    new["children"]["_"] = node("response", {"code": 486})
    assert _told(_compare(MAIN, new)) == [("replaced", "hangup → response", "/children/_", "/children/_")]


def test_added_and_removed_branches() -> None:
    new = keyed(copy.deepcopy(MAIN), k9=node("play", {"id": "x"}, then=node("hangup")))
    del new["children"]["2"]
    assert {(change.kind, change.module, change.nodes) for change in _compare(MAIN, new)} == {
        ("added", "play", 2),
        ("removed", "callflow", 1),
    }


def test_a_flow_that_is_gone_or_new() -> None:
    assert _told(_compare({"flow": {}}, RING)) == [("added", "user", "", "")]
    assert _told(_compare(RING, {"flow": {}})) == [("removed", "user", "", "")]


def test_numbers_and_names() -> None:
    old = {"name": "a", "numbers": ["1"], "flow": RING}
    (name, numbers) = _compare(old, {"name": "b", "numbers": ["1", "2"], "flow": RING})
    assert name.keys == (("name", "a", "b"),) and numbers.keys == (("numbers", ["1"], ["1", "2"]),)


def test_ten_thousand_nodes_are_compared(tmp_path: Path) -> None:
    wide = keyed(
        node("menu", {"id": "main"}), **{f"k{number}": copy.deepcopy(RING) for number in range(5000)}
    )
    new = copy.deepcopy(wide)
    new["children"]["17"]["data"]["timeout"] = 1
    new["children"]["x"] = new["children"].pop("4000")
    assert {(change.kind, change.path) for change in _compare(wide, new)} == {
        ("changed", "/children/17"),
        ("moved", "/children/x"),
    }


def test_the_command(tmp_path: Path) -> None:
    old, new = tmp_path / "a.json", tmp_path / "b.json"
    old.write_text(json.dumps(MAIN), encoding="utf-8")
    changed = copy.deepcopy(MAIN)
    changed["children"]["1"]["data"]["timeout"] = 30
    changed["children"]["7"] = changed["children"].pop("2")
    new.write_text(json.dumps(changed), encoding="utf-8")
    diff = app_for("diff")
    same = CliRunner().invoke(diff, ["diff", str(old), str(old)])
    assert (same.exit_code, same.output) == (0, "the flows are the same\n")
    differ = CliRunner().invoke(diff, ["diff", str(old), str(new)])
    assert differ.exit_code == 1
    assert differ.output.splitlines() == [
        "changed   user, at 1",
        "            timeout: 20 → 30",
        "moved     callflow: 2 → 7",
    ]
    found = json.loads(CliRunner().invoke(diff, ["diff", str(old), str(new), "-o", "json"]).output)
    assert found[0]["keys"] == [{"key": "timeout", "old": 20, "new": 30}]
    wrong = CliRunner().invoke(diff, ["diff", str(old), str(tmp_path / "none.json")])
    assert wrong.exit_code == 2 and "none.json" in wrong.output
