"""Layer 1: the run-time reading of a node's ``data``: whatever is written there, the call goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callflow.documents.notes import Note

__all__ = ["Note", "Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """``data``: cast, judged and with the schema's defaults filled in; ``notes``: what was changed and why."""

    data: dict[str, Any]
    notes: tuple[Note, ...] = ()


def prepare(module: str, data: Mapping[str, Any]) -> Prepared:
    """Read ``data`` as ``schemas/modules/<module>.json`` says; never raises."""
    raise NotImplementedError
