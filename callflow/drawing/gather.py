"""Layer 4: from a callflow document, and what ``check`` said about it, to a picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from callflow.documents import schemas
from callflow.documents.problems import Problem
from callflow.drawing.hiding import HIDDEN, SECRETS
from callflow.drawing.picture import Box, Mark, Tree
from callflow.engine.flow import Flow, Node

MOST_FACTS = 4
"""Lines of data in a box; what is left out is counted."""

_ORDER = {"error": 0, "warning": 1, "note": 2}
_BOOKKEEPING = ("name", "skip_module")


def tree_of(
    document: object, *, flow_id: str = "", title: str = "", problems: Iterable[Problem] = ()
) -> Tree:
    """The picture of one flow: a callflow document or a bare tree. ``problems``: those of this document, by
    pointers that begin at it. Raises ``FlowTooDeep``.
    """
    flow = Flow.parse(document, flow_id=flow_id)
    prefix = "/flow" if flow.document else ""
    at_nodes, at_document = share_out(problems, _paths(flow.root), prefix)
    root = _boxes(flow.root, at_nodes) if not flow.root.empty else None
    return Tree(title or _title(flow), root, flow.id, tuple(at_document))


def facts_of(
    module: str, data: Mapping[str, Any], schema: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """The data of a node, a short line a key: what is not the default, in the schema's order (None: the
    module's); secrets are ``***``, of a url only host and path are shown.
    """
    if schema is None:
        schema = schemas.module_schema(module) if module in schemas.module_names() else {}
    known: Mapping[str, Any] = schema.get("properties", {})
    wanted = schema.get("required", ())
    keys = [key for key in known if key in data] + [key for key in data if key not in known]
    lines = [
        f"{key} {HIDDEN if key.lower() in SECRETS else _value(data[key], known.get(key, {}))}"
        for key in keys
        if key not in _BOOKKEEPING and (key in wanted or not _is_default(data[key], known.get(key, {})))
    ]
    if data.get("skip_module") in (True, "true"):
        lines.insert(0, "skipped (skip_module)")
    if len(lines) > MOST_FACTS:
        left = len(lines) - MOST_FACTS + 1
        lines = [*lines[: MOST_FACTS - 1], f"and {left} more"]
    return tuple(lines)


def _title(flow: Flow) -> str:
    numbers = [str(each) for name in ("numbers", "patterns") for each in _list(flow.document.get(name))]
    name = flow.name or flow.id or "flow"
    return f"{name} ({', '.join(numbers)})" if numbers else name


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _is_default(value: object, part: Mapping[str, Any]) -> bool:
    return ("default" in part and part["default"] == value) or value in ("", {}, [])


def _value(value: object, part: Mapping[str, Any]) -> str:
    if part.get("writeOnly"):
        return HIDDEN
    if isinstance(value, str):
        return _url(value) if "://" in value and value.lower().startswith(("http", "ftp")) else value
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(str(item) for item in value)
    if isinstance(value, list):
        named = [str(item["id"]) for item in value if isinstance(item, dict) and "id" in item]
        return ", ".join(named) if named and len(named) == len(value) else f"[{len(value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(map(str, value)) + "}"
    return json.dumps(value)


def _url(text: str) -> str:
    """Host and path: user, password and query may be secrets."""
    try:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return text.partition("?")[0].rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


# ---- the tree -----------------------------------------------------------------------------------


def _paths(root: Node) -> set[str]:
    found, todo = set(), [root]
    while todo:
        node = todo.pop()
        found.add(node.path)
        todo.extend(node.children.values())
    return found


def _boxes(root: Node, marks: Mapping[str, Sequence[Mark]]) -> Box:
    top = _box("", root, marks)
    todo = [(root, top)]
    while todo:
        node, box = todo.pop()
        for key, child in node.children.items():
            below = _box(key, child, marks)
            box.children.append(below)
            todo.append((child, below))
    return top


def _box(key: str, node: Node, marks: Mapping[str, Sequence[Mark]]) -> Box:
    module = node.module or ("end" if node.empty else "?")
    return Box(node.path, key, module, facts_of(node.module, node.data), tuple(marks.get(node.path, ())))


def share_out(
    problems: Iterable[Problem], paths: set[str], prefix: str
) -> tuple[dict[str, list[Mark]], list[Mark]]:
    """Each problem to the node it is in: the longest path of a node that its pointer begins with."""
    at_nodes: dict[str, list[Mark]] = {}
    at_document: list[Mark] = []
    for problem in sorted(problems, key=lambda one: (_ORDER[one.level], one.line, one.column, one.code)):
        mark = Mark(problem.level, problem.code, problem.message)
        path = _node_of(problem.pointer, paths, prefix)
        if path is None:
            at_document.append(mark)
        else:
            at_nodes.setdefault(path, []).append(mark)
    return at_nodes, at_document


def _node_of(pointer: str, paths: set[str], prefix: str) -> str | None:
    if not pointer.startswith(prefix):
        return None
    path = pointer[len(prefix) :]
    while path not in paths:
        if not path:
            return None
        path = path.rpartition("/")[0]
    return path
