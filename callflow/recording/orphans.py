"""Layer 2: what is in a state folder that no row knows, and rows whose file is gone. Blocks.

What crashes leave is cleared away by recovery; an orphan is a fault of a disk, of a restored backup, or of
somebody's hands. So nothing is removed unless it is asked for, and never what is younger than a day: a file
gets its name before its row. Age alone does not decide (a clock may have been put forward): a file goes
while the lock of its recording's spool is ours, and still no row names it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from callflow.log import logger
from callflow.recording.erasing import finish_erasing
from callflow.recording.spool import remove_spool
from callflow.state.database import Database
from callflow.state.erasing import undone
from callflow.state.folder import StateFolder, safe_name
from callflow.state.lock import FileLock

OLD_S = 86_400.0
"""Younger orphans stay whatever is asked."""
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Orphan:
    """``path``: relative to the state folder. ``kind``: ``file`` (of outbox or media store), ``spool``.
    ``age_s``: since it was changed last.
    """

    path: str
    kind: str
    bytes: int
    age_s: float
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Swept:
    """``missing``: ids and files of recordings whose row names a file that is not there."""

    orphans: tuple[Orphan, ...]
    missing: tuple[tuple[str, str], ...]


def sweep(folder: StateFolder, database: Database, wall: float, *, remove: bool = False) -> Swept:
    """Look for orphans; ``remove``: those older than a day go. ``wall``: seconds since 1970, of this machine.
    Raises StorageError if the database cannot be used.
    """
    finish_erasing(folder, database, wall)
    being_erased = {name for proof in database.run(undone) for name in proof.files}
    orphans: list[Orphan] = []
    for place in (folder.outbox, *sorted(path for path in folder.media.rglob("*") if path.is_dir())):
        known = _known(database, folder.relative(place)) | being_erased
        for path in _files(place):
            if folder.relative(path) not in known:
                orphans += _judged(folder, database, path, "file", wall, remove=remove)
    orphans += _spools(folder, database, wall, remove=remove)
    return Swept(tuple(orphans), tuple(_missing(folder, database)))


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_file() and not path.is_symlink())


def _known(database: Database, place: str) -> set[str]:
    """The files in this folder that a row names."""
    prefix = f"{place}/"
    where = "WHERE substr(file, 1, :length) = :prefix"

    def look(conn: sqlite3.Connection) -> set[str]:
        found = conn.execute(
            f"SELECT file FROM recordings {where} UNION SELECT file FROM deliveries {where} "
            f"UNION SELECT file FROM transcripts {where}",
            {"prefix": prefix, "length": len(prefix)},
        )
        return {row[0] for row in found}

    return database.run(look)


def _spools(folder: StateFolder, database: Database, wall: float, *, remove: bool) -> Iterator[Orphan]:
    """Spools that nobody holds and no row knows. One that has sound and facts is no orphan, even without a
    row: recovery makes a recording of it.
    """
    text = "SELECT id FROM recordings WHERE finished_wall = 0 OR state = 'FAILED'"
    known = {safe_name(row[0]) for row in database.run(lambda conn: conn.execute(text).fetchall())}
    for spool in folder.spools():
        if spool.name in known or (spool / "meta.json").exists():
            continue
        try:
            lock = FileLock.try_acquire(folder.lock_of(spool))
        except OSError:
            continue
        if lock is None:
            continue
        try:
            yield from _judged(folder, database, spool, "spool", wall, remove=remove)
        finally:
            lock.release(remove=not spool.is_dir())


def _judged(
    folder: StateFolder, database: Database, path: Path, kind: str, wall: float, *, remove: bool
) -> list[Orphan]:
    """Nothing, if it went meanwhile."""
    try:
        inner = [each for each in path.rglob("*") if each.is_file()] if kind == "spool" else [path]
        sizes = [each.stat() for each in inner]
        changed = max((each.st_mtime for each in (*sizes, path.stat())), default=wall)
    except FileNotFoundError:
        return []
    age_s = wall - changed
    gone = remove and age_s > OLD_S
    if gone:
        gone = _remove(path, kind) if kind == "spool" else _remove_file(folder, database, path)
    return [Orphan(folder.relative(path), kind, sum(each.st_size for each in sizes), age_s, gone)]


def _remove_file(folder: StateFolder, database: Database, path: Path) -> bool:
    """Not if somebody is at its recording, or has listed the file since we looked."""
    spool = folder.spool / path.name.removeprefix(".").partition(".")[0]
    try:
        lock = FileLock.try_acquire(folder.lock_of(spool))
    except OSError:
        return False
    if lock is None:
        return False
    try:
        return not database.run(partial(_is_named, file=folder.relative(path))) and _remove(path, "file")
    finally:
        lock.release(remove=not spool.is_dir())


def _is_named(conn: sqlite3.Connection, file: str) -> bool:
    tables = ("recordings", "deliveries", "transcripts")
    asked = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE file = :file)" for table in tables)
    (named,) = conn.execute(f"SELECT {asked}", {"file": file}).fetchone()
    return bool(named)


def _remove(path: Path, kind: str) -> bool:
    try:
        if kind == "spool":
            remove_spool(path)
            return not path.exists()
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s cannot be removed: %s", path, error.strerror)
        return False
    return True


def _missing(folder: StateFolder, database: Database) -> Iterator[tuple[str, str]]:
    last = ""
    while rows := database.run(partial(_with_files, after=last)):
        yield from ((id, file) for id, file in rows if not (folder.root / file).is_file())
        last = rows[-1][0]


def _with_files(conn: sqlite3.Connection, after: str) -> list[tuple[str, str]]:
    found = conn.execute(
        "SELECT id, file FROM recordings WHERE file <> '' AND id > ? ORDER BY id LIMIT ?", (after, _BATCH)
    )
    return [(id, file) for id, file in found]
