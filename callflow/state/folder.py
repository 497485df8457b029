"""Layer 1: the state folder, where everything lives that must outlive the process.

STATE/
├── callflow.db       recordings, deliveries, attempts
├── spool/            a folder per recording that is not finished, and its lock beside it
├── outbox/           finished files that wait for their delivery
└── media/YYYYMM/     the local media store
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callflow.errors import StorageError

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


def safe_name(identifier: str) -> str:
    """A file name for an id that a document may have chosen: itself if harmless, else a digest of it."""
    if _PLAIN.fullmatch(identifier):
        return identifier
    return "id-" + hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def default_state() -> Path:
    """Where commands keep their state without ``--state``: ``$CALLFLOW_STATE``, else ``./callflow-state``."""
    return Path(os.environ.get("CALLFLOW_STATE") or "callflow-state")


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The paths below one state folder."""

    root: Path
    spool: Path
    outbox: Path
    media: Path
    database: Path

    @classmethod
    def open(cls, path: Path) -> StateFolder:
        """Make what is missing of the folder and its sub-folders; what people say on the phone is not for
        every user of the machine. Raises StorageError.
        """
        root = Path(path).absolute()
        folder = cls(root, root / "spool", root / "outbox", root / "media", root / "callflow.db")
        for each in (root, folder.spool, folder.outbox, folder.media):
            try:
                each.mkdir(mode=0o700 if each == root else 0o777, parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(
                    f"the state folder {root} cannot be used: {error.strerror} ({each.name})",
                    hint="Choose another one with --state, or make it writable.",
                ) from error
        return folder

    def spool_of(self, recording_id: str) -> Path:
        """The spool folder of a recording."""
        return self.spool / safe_name(recording_id)

    def lock_of(self, spool: Path) -> Path:
        """The lock file of a spool folder; it is taken before the folder is made and outlives it."""
        return spool.with_name(spool.name + ".lock")

    def spools(self) -> Iterator[Path]:
        """The spool folders that are there now, oldest name first."""
        try:
            entries = sorted(self.spool.iterdir())
        except OSError as error:
            raise StorageError(f"the spool {self.spool} cannot be read: {error.strerror}") from error
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("."):
                yield entry

    def relative(self, path: Path) -> str:
        """``path`` as it is kept in the database: relative to the root, with ``/``."""
        return path.relative_to(self.root).as_posix()


def sync_folder(path: Path) -> None:
    """Make names in ``path`` (created, renamed, removed) outlast a power cut, where the system can do it."""
    if sys.platform == "win32":  # pragma: no cover
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
