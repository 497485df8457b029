"""Layer 1: checks the tree of a flow, without recursion: nodes, modules, their data, their children."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from callflow.documents import schemas
from callflow.documents.check_branches import check_branches
from callflow.documents.check_data import Surroundings, check_object, renamed
from callflow.documents.check_effects import check_effects
from callflow.documents.check_loops import check_other_flow
from callflow.documents.check_record import Passed, check_record_node
from callflow.documents.metaflows import action_names
from callflow.documents.nodes import NODE_KEYS, children_of, is_bare_node
from callflow.documents.problems import Mend, Sheet, did_you_mean, surely_meant, token

MAX_NODES_DEEP = 1000
"""Deeper flows are refused (DESIGN 5, "walker")."""


@dataclass(slots=True)
class _Place:
    """A node that is still to be looked at, and the way that leads to it."""

    node: Any
    pointer: str
    depth: int
    passed: Passed | None
    key: str


def check_flow(sheet: Sheet, root: Any, pointer: str, around: Surroundings) -> None:
    """Report every problem of the tree whose root stands at ``pointer``."""
    _check_tree(sheet, root, pointer, around, metaflow=False)


def check_metaflow(sheet: Sheet, root: Any, pointer: str, around: Surroundings) -> None:
    """The same for an action of a metaflow: it has nodes of the same shape, and modules of its own."""
    _check_tree(sheet, root, pointer, around, metaflow=True)


def nodes_of(root: Any, pointer: str = "") -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Pointer, module and data of every node that has a module, in the order of the document."""
    todo: list[tuple[Any, str]] = [(root, pointer)]
    while todo:
        node, where = todo.pop()
        if not isinstance(node, dict):
            continue
        module, data = node.get("module"), node.get("data")
        if isinstance(module, str):
            yield where, module, data if isinstance(data, dict) else {}
        below = [(child, pointer) for _, child, pointer in children_of(node, where)]
        todo.extend(reversed(below))


def _check_tree(sheet: Sheet, root: Any, pointer: str, around: Surroundings, *, metaflow: bool) -> None:
    todo = [_Place(root, pointer, 1, None, "")]
    while todo:
        place = todo.pop()
        if place.depth > MAX_NODES_DEEP:
            hint = "split it: the module callflow goes on with another flow"
            said = f"the flow has more than {MAX_NODES_DEEP} nodes below one another"
            sheet.add("CF-CHK-020", place.pointer, said, hint)
            return
        todo.extend(reversed(_check_node(sheet, place, around, metaflow)))


def _check_node(sheet: Sheet, place: _Place, around: Surroundings, metaflow: bool) -> list[_Place]:
    """One node; gives back its children."""
    node, pointer = place.node, place.pointer
    if not isinstance(node, dict):
        sheet.add("CF-CHK-040", pointer, f"{_kind(node)} stands where a node should be")
        return []
    if not node and place.depth > 1:
        sheet.add(
            "CF-CHK-049", pointer, "the child is empty: the call ends here", "delete it, or write a node"
        )
        return []
    for key in node:
        if key not in NODE_KEYS and not key.startswith(("_", "$", "pvt_")):
            said = f"{key} is not a key of a node"
            hint, mend = did_you_mean(key, NODE_KEYS), renamed(key, node, NODE_KEYS)
            sheet.add("CF-CHK-048", f"{pointer}/{token(key)}", said, hint, at_key=True, mend=mend)
    module = _module(sheet, node, pointer, metaflow)
    data = _data(sheet, node, pointer)
    leaf = not node.get("children")
    if metaflow and module in action_names():
        data = check_object(sheet, data, f"metaflows/{module}", f"{pointer}/data", around)
    if metaflow or module not in schemas.module_names():
        passed = Passed.at(module, data, place.key, pointer, place.passed, leaf=leaf)
        return _children(sheet, node, place, passed, around, metaflow)
    data = check_object(sheet, data, f"modules/{module}", f"{pointer}/data", around)
    passed = Passed.at(module, data, place.key, pointer, place.passed, leaf=leaf)
    check_record_node(sheet, passed, around.settings, around.storage)
    check_effects(sheet, passed, around.settings)
    if module == "callflow":
        check_other_flow(sheet, passed, node.get("children"), around)
    inline = _inline(module, data, pointer, place.depth, passed)
    return inline + _children(sheet, node, place, passed, around, metaflow)


def _module(sheet: Sheet, node: Mapping[str, Any], pointer: str, metaflow: bool) -> str:
    if "module" not in node:
        meant = next((hint for key in node if (hint := did_you_mean(key, ("module",)))), "")
        sheet.add("CF-CHK-041", pointer, "the node has no module", meant)
        return ""
    module = node["module"]
    where = f"{pointer}/module"
    if not isinstance(module, str) or not 1 <= len(module) <= 64:
        said = "is empty" if module == "" else "is not a text of 1 to 64 characters"
        sheet.add("CF-CHK-042", where, f"the module {said}")
        return ""
    known = schemas.metaflow_modules() if metaflow else schemas.known_kazoo_modules()
    if not metaflow and module in schemas.other_modules():
        said = f"{module} is a module of Kazoo's that has no code here: the node is passed over to _"
        sheet.add("CF-CHK-061", where, said, schemas.other_modules()[module])
    if metaflow and module in known and module not in action_names():
        said = f"the metaflow action {module} of Kazoo's has no code here: the node is passed over to _"
        sheet.add("CF-CHK-061", where, said, f"actions here: {', '.join(action_names())}")
    if (not metaflow and module in schemas.module_names()) or (metaflow and module in known):
        return module
    elsewhere = schemas.named_elsewhere().get(module)
    hint = f"did you mean {elsewhere}?" if elsewhere else did_you_mean(module, known)
    if not metaflow and module in schemas.metaflow_modules():
        said = f"{module} is a module of metaflows (digits in mid-call), not of callflows"
        sheet.add("CF-CHK-062", where, said, hint)
    else:
        meant = "" if elsewhere else surely_meant(module, known)
        effect = f"the node runs {meant} from now on: as {module} it was passed over to _"
        mend = Mend("value", json.dumps(meant), effect) if meant else None
        said, hint = f"there is no module {module}", hint or "callflow schema lists the modules"
        sheet.add("CF-CHK-060", where, said, hint, mend=mend)
    return module


def _data(sheet: Sheet, node: Mapping[str, Any], pointer: str) -> dict[str, Any]:
    if "data" not in node and "module" not in node:
        return {}  # no node at all: one problem is enough
    if "data" not in node:
        sheet.add("CF-CHK-043", pointer, "the node has no data (Kazoo's API refuses it)", 'write "data": {}')
        return {}
    data = node["data"]
    if not isinstance(data, dict):
        sheet.add(
            "CF-CHK-044", f"{pointer}/data", f"data is {_kind(data)}, not an object", 'write "data": {}'
        )
        return {}
    return data


def _inline(module: str, data: Mapping[str, Any], pointer: str, depth: int, passed: Passed) -> list[_Place]:
    """Nodes that are written into the data (``x-node``: the module callflow's ``flow``)."""
    places = []
    for key, part in schemas.module_schema(module)["properties"].items():
        if "x-node" in part and isinstance(data.get(key), dict):
            places.append(_Place(data[key], f"{pointer}/data/{token(key)}", depth + 1, passed, ""))
    return places


def _children(
    sheet: Sheet, node: Mapping[str, Any], place: _Place, passed: Passed, around: Surroundings, metaflow: bool
) -> list[_Place]:
    module, children = passed.module, node.get("children", {})
    where = f"{place.pointer}/children"
    if not isinstance(children, dict):
        sheet.add("CF-CHK-045", where, f"children is {_kind(children)}, not an object")
        return []
    if is_bare_node(children):
        said = "children holds a node without a branch key: on Kazoo the call hangs up here; it is read as _"
        effect = "on Kazoo the node inside runs from now on, where the call hung up; here it ran already"
        hint = 'write "children": {"_": {"module": ...}}'
        sheet.add("CF-CHK-046", where, said, hint, at_key=True, mend=Mend("wrap", "_", effect))
        return [_Place(children, where, place.depth + 1, passed, "_")]
    if not metaflow:
        check_branches(sheet, module, passed.data, children, where, around)
    return [
        _Place(child, f"{where}/{token(key)}", place.depth + 1, passed, key)
        for key, child in children.items()
    ]


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a text", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object")
