"""Layer 1: an account: a folder of JSON documents, read once.

``ID/{account.json,callflows,users,devices,vmboxes,menus,media}/``; a media document's audio lies beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callflow.errors import CallflowError

FOLDERS = {
    "callflow": "callflows",
    "user": "users",
    "device": "devices",
    "vmbox": "vmboxes",
    "menu": "menus",
    "media": "media",
}
"""Kind of document → its folder."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account's documents, with the defaults of their schemas filled in (as Kazoo's API does on saving).

    ``broken``: documents that could not be read; they are left out.
    """

    id: str
    folder: Path | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    media_files: Mapping[str, Path] = field(default_factory=dict)
    broken: tuple[CallflowError, ...] = ()

    @classmethod
    def empty(cls, id: str = "account") -> Account:
        """An account without documents: what a single flow file runs in."""
        return cls(id=id)

    @classmethod
    def load(cls, folder: Path) -> Account:
        """Read ``folder``; its name is the account id unless ``account.json`` says another.

        Raises MissingDocument if there is no such folder.
        """
        raise NotImplementedError

    def get(self, kind: str, id: str) -> Mapping[str, Any] | None:
        """The document ``id`` of ``kind`` (``user device vmbox menu media callflow``), or None."""
        return self.documents.get(kind, {}).get(id)

    def all(self, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """All documents of ``kind`` by id. Device documents carry ``owner_id``."""
        return self.documents.get(kind, {})

    def media_file(self, id: str) -> Path | None:
        """The audio of the media document ``id``, or None."""
        return self.media_files.get(id)
