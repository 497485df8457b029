"""Layer 1: what calls have changed in an account's documents, laid over what is on disk.

A change is a JSON merge patch (RFC 7396): objects are merged, null removes a key, anything else (a list
too) replaces. Documents on disk are never written; ``callflow/state/changes.py`` keeps the patches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Documents = Mapping[str, Mapping[str, Any]]


class Changes:
    """The patches of one account by kind and document id, the same object for as long as an engine runs:
    a change is seen by every call at once, and outlives the documents' being read anew.
    """

    def __init__(self) -> None:
        self._patches: dict[str, dict[str, tuple[int, Mapping[str, Any]]]] = {}
        self._merged: dict[str, tuple[Documents, Documents]] = {}

    def put(self, kind: str, id: str, patch: Mapping[str, Any], revision: int) -> None:
        """``patch`` is all that is changed in the document now; an older ``revision`` than the one that is
        there already is passed over.
        """
        known = self._patches.setdefault(kind, {})
        if revision > known.get(id, (0,))[0]:
            known[id] = (revision, patch)
            self._merged.pop(kind, None)

    def patch(self, kind: str, id: str) -> Mapping[str, Any]:
        """All that is changed in one document; {}: nothing."""
        return self._patches.get(kind, {}).get(id, (0, {}))[1]

    def over(
        self,
        kind: str,
        documents: Documents,
        *,
        kept_only: bool = False,
        settle: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda document: document,
    ) -> Documents:
        """``documents`` of ``kind`` with what was changed in them, each brought into shape by ``settle``.
        ``kept_only``: documents of this kind live nowhere else, so each patch is one; else a patch whose
        document is gone counts for nothing.
        """
        patches = self._patches.get(kind)
        if not patches:
            return documents
        seen = self._merged.get(kind)
        if seen is not None and seen[0] is documents:
            return seen[1]
        merged = dict(documents)
        for id, (_, patch) in patches.items():
            if kept_only or id in merged:
                merged[id] = settle(merge(merged.get(id, {}), patch))
        self._merged[kind] = (documents, merged)
        return merged


def merge(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``document`` with ``patch`` applied (RFC 7396, 2); neither is touched."""
    merged = dict(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def combine(first: Mapping[str, Any], then: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """One patch that does to ``document`` what ``first`` and after it ``then`` do."""
    both = dict(first)
    for key, value in then.items():
        here = document.get(key)
        below = here if isinstance(here, Mapping) else {}
        if not isinstance(value, Mapping):
            both[key] = value
        elif key not in first or isinstance(first[key], Mapping):
            both[key] = combine(first.get(key, {}), value, below)
        else:  # the first took away what ``then`` builds anew: nothing of the document may shine through
            both[key] = _alone(value, below)
    return both


def _alone(value: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """A patch that leaves of ``below`` only what ``value`` says, at every depth."""
    found: dict[str, Any] = {key: None for key in below if key not in value}
    for key, inner in value.items():
        here = below.get(key)
        if isinstance(inner, Mapping) and isinstance(here, Mapping):
            inner = _alone(inner, here)
        found[key] = inner
    return found
