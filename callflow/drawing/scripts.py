"""Layer 4: from an NCCO, and what ``check`` said about it, to a picture: its actions, one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from callflow.documents.ncco import action_names, action_schema
from callflow.documents.problems import Problem
from callflow.drawing.gather import facts_of, share_out
from callflow.drawing.picture import Box, Tree


def tree_of_script(
    script: Sequence[Any], *, flow_id: str = "", title: str = "", problems: Iterable[Problem] = ()
) -> Tree:
    """The picture of a list of actions. ``problems``: those of this document."""
    paths = {f"/{index}" for index in range(len(script))}
    marks, at_document = share_out(problems, paths, "")
    root: Box | None = None
    above: Box | None = None
    for index, action in enumerate(script):
        path = f"/{index}"
        said: Mapping[str, Any] = action if isinstance(action, Mapping) else {}
        name = str(said.get("action") or "?")
        data = {key: value for key, value in said.items() if key != "action"}
        schema = action_schema(name) if name in action_names() else {}
        box = Box(path, "_" if above else "", name, facts_of(name, data, schema), tuple(marks.get(path, ())))
        if above is None:
            root = box
        else:
            above.children.append(box)
        above = box
    return Tree(title or flow_id or "NCCO", root, flow_id, tuple(at_document))
