"""Layer 3: the parsed tree of a flow. Nothing is refused here but depth: a node that is wrong says so in
``problem`` and the walker decides (kazoo.md 2.1 and 2.3 as DESIGN 5 settles them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from callflow.errors import FlowTooDeep

DEFAULT_KEY = "_"
"""The child that is taken where no other is asked for or there."""

MAX_DEPTH = 1000
"""Nodes on a path from the root; deeper flows are refused."""

NODE_KEYS = frozenset({"module", "data", "children", "remote_execution"})


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a flow. ``path``: JSON pointer within the flow (the root is the empty string).

    ``empty``: the node is ``{}``, which ends a flow. ``problem``: why it cannot be run (empty: it can).
    ``notices``: what was read with good will, for the author.
    """

    module: str
    data: Mapping[str, Any]
    children: Mapping[str, Node]
    path: str
    problem: str = ""
    empty: bool = False
    notices: tuple[str, ...] = ()

    @classmethod
    def nowhere(cls) -> Node:
        """The node of a call that is at none."""
        return cls("", {}, {}, "", empty=True)

    def child(self, key: str) -> Node | None:
        """The child of exactly that name."""
        return self.children.get(key)


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow's tree. ``id``: its document's (empty: none). ``name``: for people."""

    root: Node
    id: str = ""
    name: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, document: object, *, flow_id: str = "") -> Flow:
        """Read a callflow document (its tree is ``flow``) or a bare tree. Raises ``FlowTooDeep``.

        Pointers of nodes start at the tree, not at the document.
        """
        known: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
        is_document = "flow" in known and "module" not in known
        tree: object = known["flow"] if is_document else document
        named = known.get("name") if is_document else None
        return cls(
            root=_parse_tree(tree),
            id=flow_id or str(known.get("id") or known.get("_id") or "") if is_document else flow_id,
            name=named if isinstance(named, str) else "",
            document=known if is_document else {},
        )


@dataclass(slots=True)
class _Place:
    """A node still to be read, and where it goes once it is."""

    value: object
    path: str
    depth: int
    into: dict[str, Node]
    key: str


def _parse_tree(tree: object) -> Node:
    """All nodes, without recursion: a parent's ``children`` is filled after the parent is made."""
    top: dict[str, Node] = {}
    todo = [_Place(tree, "", 1, top, "")]
    while todo:
        place = todo.pop()
        if place.depth > MAX_DEPTH:
            raise FlowTooDeep(
                f"the flow has more than {MAX_DEPTH} nodes below one another (at {place.path[:80]}…)",
                hint="Split it: a `callflow` node goes on with another callflow.",
            )
        children: dict[str, Node] = {}
        node, found = _parse_node(place.value, place.path, children)
        place.into[place.key] = node
        todo.extend(
            _Place(value, f"{place.path}/children/{_escape(key)}", place.depth + 1, children, key)
            for key, value in reversed(found.items())
        )
    return top[""]


def _parse_node(value: object, path: str, children: dict[str, Node]) -> tuple[Node, dict[str, object]]:
    """One node, and the raw children that are to be read into ``children``."""
    if not isinstance(value, Mapping):
        problem = f"a node must be an object, this is {_kind(value)}"
        return Node("", {}, children, path, problem=problem), {}
    if not value:
        return Node("", {}, children, path, empty=True), {}
    module, data = value.get("module"), value.get("data")
    notices: list[str] = []
    found = _children_of(value.get("children"), notices)
    problem = ""
    if not isinstance(module, str) or not module:
        said = "missing" if "module" not in value else "empty" if module == "" else _kind(module)
        problem = f"the node's module must be a name, it is {said}"
        module = ""
    if data is not None and not isinstance(data, Mapping):
        notices.append(f"data must be an object, this is {_kind(data)}: read as empty")
    read = cast("Mapping[str, Any]", data) if isinstance(data, Mapping) else {}
    node = Node(module, read, children, path, problem=problem, notices=tuple(notices))
    return node, found


def _children_of(children: object, notices: list[str]) -> dict[str, object]:
    if children is None:
        return {}
    if not isinstance(children, Mapping):
        notices.append(f"children must be an object, this is {_kind(children)}: read as none")
        return {}
    if isinstance(children.get("module"), str) and NODE_KEYS.issuperset(children):
        notices.append(
            'children holds a node without a branch key: read as {"_": ...} (Kazoo ends the call here)'
        )
        return {DEFAULT_KEY: children}
    return dict(children)


def _escape(key: str) -> str:
    """A key as a token of a JSON pointer (RFC 6901 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case Mapping():
            return "an object"
    return type(value).__name__
