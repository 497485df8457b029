"""The parsed tree: every row of kazoo.md 2.3 that is about the form of a node."""

from __future__ import annotations

from typing import Any

import pytest

from callflow.engine.flow import MAX_DEPTH, Flow
from callflow.errors import FlowTooDeep


def chain(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {"module": "noop"}
    for _ in range(depth - 1):
        node = {"module": "noop", "children": {"_": node}}
    return node


def test_a_document_and_a_bare_tree_are_the_same_flow() -> None:
    tree = {"module": "noop", "data": {"a": 1}}
    document = Flow.parse({"id": "f1", "name": "Main", "numbers": ["1"], "flow": tree})
    assert (document.id, document.name, document.root.module) == ("f1", "Main", "noop")
    bare = Flow.parse(tree, flow_id="given")
    assert (bare.id, bare.root.data) == ("given", {"a": 1})
    assert Flow.parse({"_id": "couch", "flow": tree}).id == "couch"


def test_paths_are_json_pointers() -> None:
    flow = Flow.parse(
        {"module": "menu", "children": {"a/b": {"module": "x"}, "c~d": {"children": {}}, "_": {}}}
    )
    assert [child.path for child in flow.root.children.values()] == [
        "/children/a~1b",
        "/children/c~0d",
        "/children/_",
    ]


@pytest.mark.parametrize("node", [None, "text", 7, 1.5, True, ["module"]])
def test_a_node_that_is_no_object_has_a_problem(node: object) -> None:
    child = Flow.parse({"module": "noop", "children": {"_": node}}).root.child("_")
    assert child is not None
    assert "must be an object" in child.problem
    assert not child.empty


@pytest.mark.parametrize("node", [{"data": {}}, {"module": ""}, {"module": 7}, {"module": None}])
def test_a_node_without_a_module_has_a_problem_and_keeps_its_children(node: dict[str, Any]) -> None:
    root = Flow.parse({**node, "children": {"_": {"module": "noop"}}}).root
    assert "module must be a name" in root.problem
    assert root.children["_"].module == "noop"


def test_an_empty_node_ends_a_flow_and_is_no_mistake() -> None:
    root = Flow.parse({}).root
    assert root.empty
    assert not root.problem


@pytest.mark.parametrize("data", ["text", 1, [], True])
def test_data_that_is_no_object_is_read_as_empty(data: object) -> None:
    root = Flow.parse({"module": "noop", "data": data}).root
    assert root.data == {}
    assert not root.problem
    assert any("data must be an object" in text for text in root.notices)


def test_missing_or_null_data_and_children_need_no_notice() -> None:
    root = Flow.parse({"module": "noop", "data": None, "children": None}).root
    assert (root.data, root.children, root.notices) == ({}, {}, ())


def test_children_that_are_no_object_are_none() -> None:
    root = Flow.parse({"module": "noop", "children": [{"module": "noop"}]}).root
    assert root.children == {}
    assert any("children must be an object" in text for text in root.notices)


def test_the_documentations_own_example_is_read_as_the_default_branch() -> None:
    voicemail = {"module": "voicemail", "data": {"id": "{VMBOX_ID}"}, "children": {}}
    root = Flow.parse({"module": "record_call", "data": {"action": "stop"}, "children": voicemail}).root
    assert root.children["_"].module == "voicemail"
    assert root.children["_"].path == "/children/_"
    assert any("without a branch key" in text for text in root.notices)


def test_a_branch_that_is_called_module_is_a_branch() -> None:
    root = Flow.parse({"module": "menu", "children": {"module": {"module": "noop"}, "data": {}}}).root
    assert set(root.children) == {"module", "data"}
    assert root.notices == ()
    other = Flow.parse({"module": "menu", "children": {"module": "noop", "1": {}}}).root
    assert set(other.children) == {"module", "1"}


def test_depth_is_limited_and_never_recursive() -> None:
    node = Flow.parse(chain(MAX_DEPTH)).root
    depth = 1
    while (below := node.child("_")) is not None:
        node, depth = below, depth + 1
    assert depth == MAX_DEPTH
    with pytest.raises(FlowTooDeep) as caught:
        Flow.parse(chain(MAX_DEPTH + 1))
    assert caught.value.hint
    with pytest.raises(FlowTooDeep):
        Flow.parse(chain(50_000))
