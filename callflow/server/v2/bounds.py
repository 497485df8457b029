"""Layer 6: how much an account's callflows may be: whoever may write them shares the machine with others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from callflow.documents.nodes import children_of
from callflow.errors import ApiError
from callflow.server.envelope import invalid

MOST_NUMBERS = 10_000
MOST_PATTERNS = 200
"""Of one callflow: each is held against every number that is dialled."""
MOST_PATTERNS_OF_ACCOUNT = 1000
MOST_NODES = 3000
"""Of a flow that is judged or drawn."""
MOST_CALLFLOWS = 10_000
MOST_BYTES = 64 * 1024 * 1024
"""Of all of an account's callflows."""
MOST_TOLD = 200
"""So many problems of a document are told."""


def check_document(value: Any) -> None:
    """Raises ApiError 400 for a callflow that is larger than one can be."""
    if not isinstance(value, dict):
        return
    for key, most in (("numbers", MOST_NUMBERS), ("patterns", MOST_PATTERNS)):
        items = value.get(key)
        if isinstance(items, list) and len(items) > most:
            raise invalid(key, "maxItems", f"{key} are at most {most}; these are {len(items)}")
    flow = value.get("flow", value)
    if sum(1 for _ in islice(_nodes(flow), MOST_NODES + 1)) > MOST_NODES:
        raise invalid("flow", "maxItems", f"a flow has at most {MOST_NODES} nodes")


def _nodes(root: Any) -> Iterator[None]:
    """One for each place of a tree where a node should be, whatever is there."""
    todo = [root]
    while todo:
        node = todo.pop()
        yield
        if isinstance(node, Mapping):
            todo.extend(child for _, child, _ in children_of(node, ""))


def check_patterns(id: str, value: Any, others: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ApiError 409 if the account's callflows would have too many with ``value`` as ``id``."""
    count = _patterns(value) + sum(_patterns(each) for other, each in others.items() if other != id)
    if count > MOST_PATTERNS_OF_ACCOUNT:
        raise ApiError(409, f"an account has at most {MOST_PATTERNS_OF_ACCOUNT} patterns; these are {count}")


def _patterns(value: Any) -> int:
    found = value.get("patterns") if isinstance(value, Mapping) else None
    return len(found) if isinstance(found, list) else 0


def check_room(folder: Path, path: Path, size: int) -> None:
    """Raises ApiError 409 if the callflows of ``folder`` would be too many, or too large, with ``path`` of
    ``size`` bytes. Blocks.
    """
    others = [each.stat().st_size for each in folder.glob("*.json") if each != path]
    if len(others) >= MOST_CALLFLOWS or sum(others) + size > MOST_BYTES:
        raise ApiError(409, f"an account has at most {MOST_CALLFLOWS} callflows, of {MOST_BYTES} bytes")
