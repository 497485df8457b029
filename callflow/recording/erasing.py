"""Layer 2: a recording is erased: its row with all that goes with it, its files, and then that is noted.

A crash at any instant leaves either the recording whole, or an erasure that ``finish_erasing`` brings to its
end at the next start (recovery calls it before anything else).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from callflow.errors import NotErasable, StorageError
from callflow.log import logger
from callflow.recording.crashpoints import crash_point
from callflow.recording.spool import remove_spool
from callflow.state.database import Database
from callflow.state.erasing import ENDED, Proof, Why, mark_done, mark_erased, undone
from callflow.state.folder import StateFolder, sync_folder
from callflow.state.lock import FileLock
from callflow.state.records import get_recording


def erase(
    folder: StateFolder,
    database: Database,
    recording_id: str,
    *,
    why: Why,
    by: str,
    wall: float,
    force: bool = False,
) -> Proof:
    """Erase a recording: its files, waiting deliveries, urls, peaks and everything else kept of it here. The
    proof stays. Blocks (locks, fsync, SQLite): call it in a thread.

    ``by``: who wants it (a token's label, a user of this machine). ``wall``: seconds since 1970. ``force``:
    also if it is not delivered yet, or is listed as under way and nobody makes it any more.
    Raises UnknownRecording; RecordingHeld; NotErasable while it is being made or delivered; StorageError.
    """
    row = database.run(lambda conn: get_recording(conn, recording_id))
    spool = folder.spool_of(recording_id)
    lock = _lock(folder.lock_of(spool), wait=row.state in ENDED)
    if lock is None:
        raise NotErasable(f"recording {recording_id} is being made at this moment", hint="stop it first")

    def mark(conn: sqlite3.Connection) -> Proof:
        return mark_erased(conn, recording_id, why=why, by=by, wall=wall, force=force)

    try:
        crash_point("erased-before")
        proof = database.run(mark)
        crash_point("erased-marked")
        return _remove(folder, database, proof, wall)
    finally:
        lock.release(remove=not spool.is_dir())


def finish_erasing(folder: StateFolder, database: Database, wall: float) -> list[Proof]:
    """Bring to their end the erasures that a crash has cut off, and those whose files could not be removed.
    Blocks. Gives those that are done now. Raises StorageError if the database cannot be used.
    """
    done = []
    for proof in database.run(undone):
        try:
            spool = folder.spool_of(proof.recording_id)
            lock = FileLock.try_acquire(folder.lock_of(spool))
        except OSError as error:
            logger.warning("recording %s is erased later: %s", proof.recording_id, error.strerror)
            continue
        if lock is None:  # whoever erases it is at it
            continue
        try:
            if _is_open(database, proof):
                done.append(_remove(folder, database, proof, wall))
        except StorageError as error:
            logger.warning("%s", error)
        finally:
            lock.release(remove=not spool.is_dir())
    return done


def _is_open(database: Database, proof: Proof) -> bool:
    return any(each.n == proof.n for each in database.run(undone))


def _lock(path: Path, *, wait: bool) -> FileLock | None:
    try:
        return FileLock.acquire(path) if wait else FileLock.try_acquire(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be used: {error.strerror}") from error


def _remove(folder: StateFolder, database: Database, proof: Proof, wall: float) -> Proof:
    """The files of an erased recording go; then that is written down. Its spool's lock is held."""
    spool = folder.spool_of(proof.recording_id)
    try:
        for name in proof.files:
            path = folder.root / name
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync_folder(path.parent)
            crash_point("erased-file")
        crash_point("erased-files")
        remove_spool(spool)
        if spool.is_dir():
            raise OSError(39, "its spool cannot be removed", str(spool))
    except OSError as error:
        raise StorageError(
            f"recording {proof.recording_id} is erased but for files that cannot be removed: "
            f"{error.strerror} ({error.filename})",
            hint="correct the rights; they go at the next start or sweep",
        ) from error
    return database.run(lambda conn: mark_done(conn, proof.n, wall))
