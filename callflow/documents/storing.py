"""Layer 1: documents of an account or of system_config as files: found by id, written whole or not at all.

Every change gives what takes it back (``Undo``), so that whoever tries a document out can go back. Blocks.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from callflow.documents import jsontext
from callflow.documents.accounts import FOLDERS, document_id
from callflow.errors import StorageError

Undo = Callable[[], None]
"""Takes a change back; raises StorageError if that fails."""

LEFT_S = 3600.0
"""A file that was to be renamed so long ago is nobody's any more."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,127}")
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stored:
    """A document's file, as it was read. ``id``: as the engine has it."""

    id: str
    path: Path
    raw: bytes

    @property
    def revision(self) -> str:
        """Names this very content."""
        return revision_of(self.raw)


def revision_of(raw: bytes) -> str:
    """The revision of a file's content: the first half of its SHA-256, in hex."""
    return hashlib.sha256(raw).hexdigest()[:32]


def is_file_id(id: str) -> bool:
    """Whether a document of this id may become a file: letters, digits and ``_ . @ + -``, at most 128."""
    return _ID.fullmatch(id) is not None and not id.endswith(".")


def find_stored(folder: Path, kind: str, id: str) -> Stored | None:
    """The file of the document ``id`` of ``kind`` (a key of ``FOLDERS``) of the account in ``folder``."""
    below = folder / FOLDERS[kind]
    if is_file_id(id):
        named = _read(below / f"{id}.json")
        if named is not None and named.id == id:
            return named
    found = None
    for stored in list_stored(folder, kind):
        if stored.id == id:
            found = stored  # of several the last, as the engine has it
    return found


def list_stored(folder: Path, kind: str) -> Iterator[Stored]:
    """All documents of ``kind``, in the order of their files; one that cannot be read has its file's name as
    its id.
    """
    for path in sorted((folder / FOLDERS[kind]).glob("*.json")):
        stored = _read(path)
        if stored is not None:
            yield stored


def _read(path: Path) -> Stored | None:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    value = jsontext.examine(raw).value
    return Stored(document_id(value, path) if isinstance(value, dict) else path.stem, path, raw)


def indent_of(raw: bytes) -> int | str:
    """How a file's lines are indented: for ``json.dumps``."""
    found = _INDENT.search(raw.decode("utf-8", "replace"))
    return 2 if found is None else found[1] if "\t" in found[1] else len(found[1])


def put_file(path: Path, raw: bytes) -> Undo:
    """Make ``path`` hold ``raw``: when this returns it is on disk. A link stays a link, owner and mode of a
    file that was there stay. Raises StorageError.
    """
    path = path.resolve()
    try:
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, raw)
    except OSError as error:
        raise _failed(path, "written", error) from error
    return lambda: _restore(path, before)


def remove_file(path: Path) -> Undo:
    """Take the file away; when this returns the disk knows. Raises StorageError."""
    try:
        before = path.read_bytes()
        path.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise _failed(path, "deleted", error) from error
    return lambda: _restore(path, before)


def _restore(path: Path, before: bytes | None) -> None:
    try:
        if before is not None:
            _replace(path, before)
            return
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise _failed(path, "put back", error) from error


def _replace(path: Path, raw: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        _as_before(path, name)
        _remove_leftovers(path, os.stat(name).st_mtime)
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    _sync_folder(path.parent)


def _remove_leftovers(path: Path, now: float) -> None:
    """What a process that was killed has never renamed to ``path``; ``now``: as the disk's clock says."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < now - LEFT_S:
                left.unlink()


def _as_before(path: Path, name: str) -> None:
    """Owner and mode: those of the file that was there, else what its folder lets be read."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        os.chmod(name, path.parent.stat().st_mode & 0o666 | 0o600)
        return
    mine = os.stat(name)
    if (seen.st_uid, seen.st_gid) != (mine.st_uid, mine.st_gid):
        os.chown(name, seen.st_uid, seen.st_gid)
    os.chmod(name, seen.st_mode & 0o7777)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(path: Path, what: str, error: OSError) -> StorageError:
    return StorageError(
        f"{path.name} cannot be {what}: {error.strerror}", hint="see the rights of the folder"
    )
