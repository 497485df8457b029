"""Layer 1: what an account's folder holds, for checking: document ids, and who serves which number."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from callflow.documents import jsontext
from callflow.documents.accounts import AUDIO_SUFFIXES, FOLDERS, STORAGE_FILE, document_id
from callflow.documents.check_across import FlowMap
from callflow.documents.check_numbers import NumberMap
from callflow.documents.settings import Settings, for_account
from callflow.errors import SettingsError

_TWO = 2


def account_root(path: Path) -> Path | None:
    """The account's folder that a file belongs to, or None.

    It has an ``account.json``, or lies in a folder ``accounts``, or has two of an account's folders.
    """
    if path.name == "account.json":
        return path.parent
    if path.name == STORAGE_FILE and _is_root(path.parent):
        return path.parent
    folder = path.parent
    if folder.name not in FOLDERS.values():
        return None
    return folder.parent if _is_root(folder.parent) else None


def _is_root(root: Path) -> bool:
    if (root / "account.json").is_file() or root.resolve().parent.name == "accounts":
        return True
    return sum((root / name).is_dir() for name in FOLDERS.values()) >= _TWO


class AccountIndex:
    """Reads the documents of an account when it is asked for the first time; those that are broken count by
    their file's name. ``unsaved``: what files hold in place of what is on disk (None: they are gone).
    """

    def __init__(self, root: Path, unsaved: Mapping[Path, bytes | None] | None = None) -> None:
        self.root = root
        self._unsaved = unsaved or {}

    @cached_property
    def ids(self) -> Mapping[str, frozenset[str]]:
        """Document ids by kind; a media file without a document counts too."""
        found = {
            kind: {document_id(doc, path) for path, doc in rows.items()} for kind, rows in self._rows.items()
        }
        media = self.root / FOLDERS["media"]
        found["media"] |= {path.stem for suffix in AUDIO_SUFFIXES for path in media.glob(f"*{suffix}")}
        return {kind: frozenset(names) for kind, names in found.items()}

    @cached_property
    def documents(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """The documents by kind and id, as they are written; one that cannot be read is empty."""
        return {
            kind: {document_id(document, path): document for path, document in rows.items()}
            for kind, rows in self._rows.items()
        }

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """``account.json``; empty where there is none that can be read."""
        return self._document(self.root / "account.json")

    @cached_property
    def storage(self) -> Mapping[str, Any]:
        """``storage.json``; empty where there is none that can be read."""
        return self._document(self.root / STORAGE_FILE)

    def settings(self, system: Settings) -> Settings:
        """``system`` with the account's own ``configs`` over it, as far as they can be used."""
        try:
            return for_account(system, self.document, str(self.root / "account.json"))
        except SettingsError:
            return system  # reported where it stands

    @cached_property
    def flows(self) -> FlowMap:
        """The ways between the callflows."""
        return FlowMap(self.documents["callflow"])

    @cached_property
    def numbers(self) -> NumberMap:
        """The numbers and patterns of the callflows."""
        return NumberMap(self.documents["callflow"])

    def served_by(self, key: str, item: str, besides: Path) -> list[Path]:
        """Callflows other than ``besides`` whose ``key`` (``numbers``, ``patterns``) holds ``item``."""
        return [path for path in self._serving.get((key, item), ()) if path.name != besides.name]

    def applications_with(self, number: str, besides: Path) -> list[Path]:
        """Applications other than ``besides`` that have ``number`` (a leading + does not count)."""
        found = self._applied.get(number.lstrip("+"), ())
        return [
            path for path in found if (path.parent.name, path.name) != (besides.parent.name, besides.name)
        ]

    @cached_property
    def _applied(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path, document in self._rows["application"].items():
            numbers = document.get("numbers")
            for number in {x for x in numbers if isinstance(x, str)} if isinstance(numbers, list) else ():
                found.setdefault(number.lstrip("+"), []).append(path)
        return found

    @cached_property
    def _rows(self) -> dict[str, dict[Path, Mapping[str, Any]]]:
        return {
            kind: {path: self._document(path) for path in sorted(self._files(self.root / folder))}
            for kind, folder in FOLDERS.items()
        }

    def _files(self, folder: Path) -> set[Path]:
        files = {*folder.glob("*.json")}
        for path, raw in self._unsaved.items():
            if path.parent == folder:
                files = files - {path} if raw is None else files | {path}
        return files

    def _document(self, path: Path) -> Mapping[str, Any]:
        try:
            raw = self._unsaved[path] if path in self._unsaved else path.read_bytes()
        except OSError:
            return {}
        value = jsontext.examine(raw).value if raw is not None else None
        return value if isinstance(value, dict) else {}

    @cached_property
    def _serving(self) -> dict[tuple[str, str], list[Path]]:
        found: dict[tuple[str, str], list[Path]] = {}
        for path, document in self._rows["callflow"].items():
            for key in ("numbers", "patterns"):
                items = document.get(key)
                for item in {x for x in items if isinstance(x, str)} if isinstance(items, list) else ():
                    found.setdefault((key, item), []).append(path)
        return found
