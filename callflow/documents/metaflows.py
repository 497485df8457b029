"""Layer 1: metaflows: which digits start what in the middle of a call (kazoo.md 2.6). Pure.

Account, user, device and callflow documents may have ``metaflows`` (callflows also ``metaflow``). Those of a
device lie over its owner's, these over the account's: key by key, and in ``numbers`` and ``patterns`` entry
by entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.documents import schemas
from callflow.documents.moduledata import prepare_document
from callflow.documents.notes import Note
from callflow.documents.patterns import compile_pattern

SELF, PEER, BOTH = "self", "peer", "both"
KEYS = ("metaflows", "metaflow")


@dataclass(frozen=True, slots=True)
class Found:
    """An action for what was pressed: its tree, and what its pattern has caught."""

    tree: Mapping[str, Any]
    collected: str
    captures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetaflowSet:
    """The metaflows of one party. ``digit_timeout``: milliseconds without a digit that end an entry.
    ``listen_on``: whose digits count: the party's own (``self``), those of who it talks with, ``both``.
    """

    binding_digit: str
    digit_timeout: int
    listen_on: str
    numbers: Mapping[str, Any]
    patterns: Mapping[str, Any]
    notes: tuple[Note, ...] = field(default=(), compare=False)

    def find(self, collected: str) -> Found | None:
        """What ``collected`` (without the binding digit) starts: the number, else the first pattern that
        is found anywhere in it. A pattern that is no regular expression finds nothing.
        """
        tree = self.numbers.get(collected)
        if isinstance(tree, Mapping):
            return Found(tree, collected)
        for pattern, tree in self.patterns.items():
            try:
                match = compile_pattern(pattern).search(collected)
            except re.error:
                continue
            if match is not None and isinstance(tree, Mapping):
                caught = tuple(text for text in match.groups() if text is not None)
                return Found(tree, collected, caught)
        return None


def metaflows_of(documents: Iterable[Mapping[str, Any] | None]) -> MetaflowSet | None:
    """The metaflows of ``documents``, the weakest first; None: there is no action in any of them."""
    merged: dict[str, Any] = {}
    for document in documents:
        for key in reversed(KEYS):
            said = (document or {}).get(key)
            if isinstance(said, Mapping):
                merged = _lay_over(merged, said)
    if not merged.get("numbers") and not merged.get("patterns"):
        return None
    prepared = prepare_document("metaflows", merged)
    data = prepared.data
    return MetaflowSet(
        binding_digit=data["binding_digit"],
        digit_timeout=data["digit_timeout"],
        listen_on=data["listen_on"],
        numbers=data["numbers"],
        patterns=data["patterns"],
        notes=prepared.notes,
    )


def _lay_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**under, **over}
    for key in ("numbers", "patterns"):
        below, above = under.get(key), over.get(key)
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            merged[key] = {**below, **above}
    return merged


def action_names() -> tuple[str, ...]:
    """The actions that have code here, sorted."""
    found = (name for name in schemas.names() if name.startswith("metaflows/"))
    return tuple(name.removeprefix("metaflows/") for name in found)
