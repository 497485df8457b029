"""Layer 4: what several modules ask about the children of their node. Not a module of its own."""

from __future__ import annotations

from callflow.engine.call import Call
from callflow.engine.flow import DEFAULT_KEY


def has_child(call: Call, key: str) -> bool:
    """Is there a child of exactly this name that has something in it (kazoo.md 2.2, ``attempt``)?"""
    child = call.node.children.get(key)
    return child is not None and not child.empty


def wildcard_is_empty(call: Call) -> bool:
    """No ``_`` to go on to: the call is about to end."""
    return not has_child(call, DEFAULT_KEY)
