"""Layer 1: the shape of a node as it is written, for all who read flows without running them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from callflow.documents import schemas
from callflow.documents.problems import token

NODE_KEYS = ("module", "data", "children", "remote_execution")
DEFAULT = "_"
"""The branch key that is taken where no other is."""

Rule = str | Mapping[str, Any]
"""``x-children`` of a module's schema."""


def skipped(data: Mapping[str, Any]) -> bool:
    """Whether the node is passed over to ``_``, as its ``skip_module`` says."""
    return data.get("skip_module") in (True, "true")


def rule_of(module: str, data: Mapping[str, Any]) -> Rule | None:
    """When the children of such a node run; None: nobody here knows."""
    if module not in schemas.module_names():
        return None
    rule: Rule = "always" if skipped(data) else schemas.module_schema(module).get("x-children", "any")
    return rule


def is_bare_node(children: Mapping[str, Any]) -> bool:
    """The documentation's own slip: a node where the branch keys should be."""
    return isinstance(children.get("module"), str) and all(key in NODE_KEYS for key in children)


def children_of(node: Mapping[str, Any], pointer: str) -> Iterator[tuple[str, Any, str]]:
    """Branch key, child and its JSON pointer, in the order of the document; the slip is read as ``_``.

    ``pointer``: that of ``node``.
    """
    children = node.get("children")
    if not isinstance(children, Mapping):
        return
    if is_bare_node(children):
        yield DEFAULT, children, f"{pointer}/children"
        return
    for key, child in children.items():
        yield key, child, f"{pointer}/children/{token(key)}"
