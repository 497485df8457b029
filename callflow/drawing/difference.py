"""Layer 4: two flows compared as trees: which nodes were added, removed, moved, changed. Not as text.

Nodes are paired in passes, each cheaper than comparing all with all: subtrees that are equal and at the same
place, large equal subtrees wherever they are, nodes of the same module under paired parents and the same key,
small equal subtrees and nodes of the same module whose data are alike, and last whatever stands at the same
place. What is left was added or removed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callflow.engine.flow import Flow, Node

LARGE = 3
"""Nodes of a subtree that is looked for anywhere: a lone ``hangup`` is like any other."""
MAX_ALIKE = 100
"""So many nodes of one module are compared with a node that has no pair yet."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``kind``: ``added``, ``removed``, ``moved``, ``changed`` (a node's data), ``replaced``
    (its module too) or ``document`` (a key outside the tree). ``path``: where it is in the new flow, ``was``:
    in the old one (pointers within the tree; for ``document`` the key). ``nodes``: how many were added,
    removed or moved together. ``keys``: (key, old value, new value); absent is ``None``.
    """

    kind: str
    path: str
    was: str
    module: str
    nodes: int = 1
    keys: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(slots=True)
class _Item:
    """A node in its tree: ``parent`` and ``key`` say where."""

    node: Node
    key: str
    parent: _Item | None
    children: list[_Item] = field(default_factory=list)
    size: int = 1
    digest: bytes = b""
    pair: _Item | None = None

    @property
    def place(self) -> str:
        return self.node.path


def compare(old: Flow, new: Flow) -> list[Change]:
    """The differences from ``old`` to ``new``, in the order of the new flow; removed ones at the end."""
    before, after = _items(old.root), _items(new.root)
    _pair_same_place(before, after)
    _pair_equal(before, after, LARGE)
    _pair_in_place(before, after, same_module=True)
    _pair_equal(before, after, 1)
    _pair_alike(before, after)
    _pair_in_place(before, after, same_module=False)
    changes = list(_document(old.document, new.document))
    for item in after:
        changes += _changes_of(item)
    changes += [
        Change("removed", "", item.place, item.node.module, _without_pair(item))
        for item in before
        if item.pair is None and (item.parent is None or item.parent.pair is not None)
    ]
    return changes


# ---- reading ------------------------------------------------------------------------------------


def _items(root: Node) -> list[_Item]:
    """All nodes, each before its children; sizes and digests of the subtrees filled in."""
    if root.empty:
        return []
    items = [_Item(root, "", None)]
    at = 0
    while at < len(items):
        item = items[at]
        item.children = [
            _Item(child, key, item) for key, child in item.node.children.items() if not child.empty
        ]
        items += item.children
        at += 1
    for item in reversed(items):
        below = sorted(item.children, key=lambda child: child.key)
        parts = [item.node.module, json.dumps(item.node.data, sort_keys=True, default=str)]
        text = "\0".join([*parts, *(f"{child.key}\0{child.digest.hex()}" for child in below)])
        item.digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        item.size = 1 + sum(child.size for child in below)
    return items


# ---- pairing ------------------------------------------------------------------------------------


def _pair_same_place(before: Sequence[_Item], after: Sequence[_Item]) -> None:
    olds = {item.place: item for item in before}
    for item in after:
        old = olds.get(item.place)
        if item.pair is None and old is not None and old.pair is None and old.digest == item.digest:
            _pair_subtrees(old, item)


def _pair_equal(before: Sequence[_Item], after: Sequence[_Item], least: int) -> None:
    olds: dict[bytes, list[_Item]] = defaultdict(list)
    for item in reversed(before):
        if item.pair is None and item.size >= least:
            olds[item.digest].append(item)
    for item in sorted(after, key=lambda one: -one.size):  # stable: document order among equals
        if item.size < least:
            break
        free = olds[item.digest]
        while free and free[-1].pair is not None:
            free.pop()
        if item.pair is None and free:
            _pair_subtrees(free.pop(), item)


def _pair_subtrees(old: _Item, new: _Item) -> None:
    """Two subtrees that are equal: each node with its twin, as far as neither has one."""
    todo = [(old, new)]
    while todo:
        one, other = todo.pop()
        if one.pair is None and other.pair is None:
            one.pair, other.pair = other, one
        by_key = {child.key: child for child in one.children}
        todo += [(by_key[child.key], child) for child in other.children]


def _pair_in_place(before: Sequence[_Item], after: Sequence[_Item], *, same_module: bool) -> None:
    """Under paired parents (or at the root) and the same key."""
    olds = {(id(item.parent), item.key): item for item in before}
    for item in after:
        if item.pair is not None or (item.parent is not None and item.parent.pair is None):
            continue
        old = olds.get((id(item.parent.pair if item.parent else None), item.key))
        if old is not None and old.pair is None and (not same_module or old.node.module == item.node.module):
            old.pair, item.pair = item, old


def _pair_alike(before: Sequence[_Item], after: Sequence[_Item]) -> None:
    """What is left, of one module, by how much of the data (and the place) is the same."""
    olds: dict[str, list[_Item]] = defaultdict(list)
    for old in before:
        if old.pair is None:
            olds[old.node.module].append(old)
    for item in after:
        if item.pair is not None:
            continue
        free = [old for old in olds[item.node.module] if old.pair is None][:MAX_ALIKE]
        best = max(free, key=lambda old: _likeness(old, item), default=None)
        if best is not None and _likeness(best, item) >= 0.5:
            best.pair, item.pair = item, best


def _likeness(old: _Item, new: _Item) -> float:
    """0 to 1: the share of data keys with the same value; a node at the same place, or under the paired
    parent, is more alike.
    """
    a, b = old.node.data, new.node.data
    keys = a.keys() | b.keys()
    share = sum(key in a and key in b and a[key] == b[key] for key in keys) / len(keys) if keys else 0.6
    if old.place == new.place:
        share += 0.5
    elif old.parent is not None and new.parent is not None and old.parent.pair is new.parent:
        share += 0.25
    return min(1.0, share)


# ---- telling ------------------------------------------------------------------------------------


def _changes_of(item: _Item) -> Iterator[Change]:
    old, module = item.pair, item.node.module
    if old is None:
        if item.parent is None or item.parent.pair is not None:
            yield Change("added", item.place, "", module, _without_pair(item))
        return
    parents = (old.parent, item.parent)
    stays = parents == (None, None) or (parents[0] is not None and parents[0].pair is parents[1])
    if not stays or old.key != item.key:
        yield Change("moved", item.place, old.place, module, item.size)
    keys = tuple(_keys(old.node.data, item.node.data))
    if old.node.module != module:
        yield Change("replaced", item.place, old.place, f"{old.node.module} → {module}", 1, keys)
    elif keys:
        yield Change("changed", item.place, old.place, module, 1, keys)


def _without_pair(top: _Item) -> int:
    """How many nodes of a subtree are in one flow only, up to those that are in both (which have moved)."""
    count, todo = 0, [top]
    while todo:
        item = todo.pop()
        if item.pair is None:
            count += 1
            todo += item.children
    return count


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key) or (key in old) != (key in new):
            yield key, old.get(key), new.get(key)


def _document(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """What differs outside the tree: numbers, patterns, name ..."""
    for key, was, now in _keys(old, new):
        if key != "flow":
            yield Change("document", key, key, "", 0, ((key, was, now),))
