"""Layer 1: an account: a folder of JSON documents, read once.

``ID/account.json``, ``ID/storage.json`` (where its recordings go) and a folder for each kind (``FOLDERS``); a
media document's audio lies beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from callflow.documents import jsontext
from callflow.documents.changes import Changes
from callflow.documents.moduledata import prepare_document
from callflow.errors import CallflowError, DocumentError, InvalidDocument, MissingDocument

FOLDERS = {
    "callflow": "callflows",
    "user": "users",
    "device": "devices",
    "vmbox": "vmboxes",
    "menu": "menus",
    "media": "media",
    "group": "groups",
    "resource": "resources",
    "queue": "queues",
    "conference": "conferences",
    "list": "lists",
    "directory": "directories",
    "temporal_rule_set": "temporal_rules_sets",
    "temporal_rule": "temporal_rules",
    "application": "applications",
    "webhook": "webhooks",
}
"""Kind of document → its folder."""

STORAGE_FILE = "storage.json"

_NONE: Mapping[str, Mapping[str, Any]] = {}

AUDIO_SUFFIXES = (".wav", ".mp3", ".ogg", ".flac")


@dataclass(frozen=True, slots=True)
class Account:
    """One account's documents, with the defaults of their schemas filled in (as Kazoo's API does on saving).

    ``storage``: its storage plan (``storage.json``, ``documents/storage.py``), empty if there is none.
    ``documents``: as they are on disk; ``get`` and ``all`` lay ``changes`` over them, what calls have changed
    in them. ``broken``: documents that could not be read; they are left out.
    """

    id: str
    folder: Path | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    media_files: Mapping[str, Path] = field(default_factory=dict)
    broken: tuple[CallflowError, ...] = ()
    storage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    changes: Changes = field(default_factory=Changes, compare=False, repr=False)

    @classmethod
    def empty(cls, id: str = "account") -> Account:
        """An account without documents: what a single flow file runs in."""
        return cls(id=id)

    @classmethod
    def load(cls, folder: Path) -> Account:
        """Read ``folder``; its name is the account id unless ``account.json`` says another.

        Raises MissingDocument if there is no such folder.
        """
        if not folder.is_dir():
            raise MissingDocument(
                f"there is no account folder {folder}", hint="give a folder with account.json"
            )
        broken: list[CallflowError] = []
        document = _read(folder / "account.json", "account", broken)
        storage = _read(folder / STORAGE_FILE, "storage", broken)
        documents: dict[str, dict[str, Mapping[str, Any]]] = {}
        media_files: dict[str, Path] = {}
        for kind, name in FOLDERS.items():
            documents[kind] = {}
            for path in sorted((folder / name).glob("*.json")):
                found = _read(path, kind, broken)
                if found is not None:
                    documents[kind][document_id(found, path)] = found
        for id, found in documents["media"].items():
            audio = _audio_of(folder / FOLDERS["media"], id, found)
            if audio is not None:
                media_files[id] = audio
        id = document_id(document, folder) if document else folder.resolve().name
        return cls(id, folder, document or {}, documents, media_files, tuple(broken), storage or {})

    def get(self, kind: str, id: str) -> Mapping[str, Any] | None:
        """The document ``id`` of ``kind`` (a key of ``FOLDERS``: ``user``, ``device`` ...), or None. A kind
        without a folder (``presence``) has the documents that calls have made.
        """
        return self.all(kind).get(id)

    def all(self, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """All documents of ``kind`` by id. Device documents carry ``owner_id``."""
        documents = self.documents.get(kind, _NONE)
        if kind not in FOLDERS:
            return self.changes.over(kind, documents, kept_only=True)
        return self.changes.over(kind, documents, settle=partial(_settled, kind))

    def media_file(self, id: str) -> Path | None:
        """The audio of the media document ``id``, or None."""
        return self.media_files.get(id)


def document_id(document: Mapping[str, Any], path: Path) -> str:
    """``id`` or ``_id`` of a document, else the name of its file without suffix."""
    for key in ("id", "_id"):
        if isinstance(document.get(key), str) and document[key]:
            return str(document[key])
    return path.resolve().stem if path.suffix == ".json" else path.resolve().name


def _read(path: Path, kind: str, broken: list[CallflowError]) -> Mapping[str, Any] | None:
    try:
        value = jsontext.read(path).value
        if not isinstance(value, dict):
            raise InvalidDocument(f"{path} is not a JSON object", hint="callflow check says more")
    except MissingDocument:
        return None  # account.json may be missing
    except DocumentError as error:
        broken.append(error)
        return None
    return _settled(kind, value)


def _settled(kind: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the defaults of its schema; a device belongs to who sits at it."""
    prepared = prepare_document(kind, document).data
    return seated(prepared) if kind == "device" else prepared


def sitting_at(device: Mapping[str, Any]) -> list[str]:
    """The users whose calls ring at a device: who has logged in to it, else its owner; the last is the one
    whose it is.
    """
    hotdesk = device.get("hotdesk")
    users = hotdesk.get("users") if isinstance(hotdesk, Mapping) else None
    if isinstance(users, Mapping) and users:
        return [str(id) for id in users]
    owner = device.get("owner_id")
    return [owner] if isinstance(owner, str) and owner else []


def seated(device: dict[str, Any]) -> dict[str, Any]:
    """A device to which somebody has logged in (``hotdesk.users``) has that user as its owner, the latest of
    several; its own one is remembered in ``hotdesk.owner_id`` and comes back when all have logged out.
    """
    hotdesk = device.get("hotdesk")
    if not isinstance(hotdesk, Mapping):
        return device
    users = hotdesk.get("users")
    own = hotdesk.get("owner_id", device.get("owner_id"))
    if isinstance(users, Mapping) and users:
        return {**device, "owner_id": list(users)[-1], "hotdesk": {**hotdesk, "owner_id": own}}
    if "owner_id" not in hotdesk:
        return device
    rest = {key: value for key, value in device.items() if key != "owner_id"}
    return rest if own is None else {**rest, "owner_id": own}


def _audio_of(folder: Path, id: str, document: Mapping[str, Any]) -> Path | None:
    """The audio beside a media document: what ``file`` says, else the same name; never outside ``folder``."""
    said = document.get("file")
    names = [said] if isinstance(said, str) else [f"{id}{suffix}" for suffix in AUDIO_SUFFIXES]
    for name in names:
        path = folder / name
        if Path(name).name == name and path.is_file():
            return path
    return None
