"""Layer 2: after a crash: finish what nobody holds any more.

Only a free lock says that a spool is nobody's: what another process is recording or finishing at this moment
is never touched, however many processes use the state folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from callflow.errors import CallflowError
from callflow.log import logger
from callflow.recording.erasing import finish_erasing
from callflow.recording.finish import Finished, Finisher
from callflow.recording.messages import SpoolClosed
from callflow.recording.spool import is_empty, remove_spool
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock


def recover(
    folder: StateFolder, finisher: Finisher, ours: Callable[[str], bool] = lambda name: False
) -> list[Finished]:
    """Finish every spool whose lock is free and clear away what crashes left half made. Blocks: call it in a
    thread. Erasures that were cut off come first: what is erased is not made anew. Raises StorageError if the
    spool cannot be listed, or the database not be used.

    ``ours`` (of a spool's name): this process is about to finish it itself. Between the writer and the
    finisher a spool's lock is free for a moment.
    """
    finish_erasing(folder, finisher.database, finisher.wall())
    done = [*_finish_spools(folder, finisher, ours), *_cancel_lost(finisher)]
    _clear_locks(folder)
    _clear_parts(folder)
    return done


def _finish_spools(
    folder: StateFolder, finisher: Finisher, ours: Callable[[str], bool]
) -> Iterator[Finished]:
    for spool in folder.spools():
        lock = _try(folder.lock_of(spool))
        if lock is None:
            continue
        if not spool.is_dir():  # somebody was quicker, and has told it
            lock.release(remove=True)
            continue
        if ours(spool.name):
            lock.release()
            continue
        if _is_empty(spool):
            remove_spool(spool)
            lock.release(remove=True)
            continue
        yield finisher.finish_locked(spool, lock, SpoolClosed(spool.name, str(spool), 0.0))


def _is_empty(spool: Path) -> bool:
    try:
        return is_empty(spool)
    except OSError:
        return False  # it cannot be read: the finisher says why


def _cancel_lost(finisher: Finisher) -> list[Finished]:
    try:
        return finisher.cancel_lost()
    except (OSError, CallflowError) as error:
        logger.warning("lost recordings stay listed: %s", error)
        return []


def _clear_locks(folder: StateFolder) -> None:
    """Locks whose spool is gone, or was never made."""
    for path in folder.spool.glob("*.lock"):
        if not path.with_suffix("").is_dir():
            _remove_free(path)


def _clear_parts(folder: StateFolder) -> None:
    """Half-made files of spools that nobody finishes now. (``.ID.mp3.part``, ``.ID.transcript.json.part``)"""
    for part in (*folder.outbox.glob(".*.part"), *folder.media.glob("*/.*.part")):
        spool = folder.spool / part.name.removeprefix(".").partition(".")[0]  # no spool's name has a dot
        lock = _try(folder.lock_of(spool))
        if lock is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            lock.release(remove=not spool.is_dir())


def _remove_free(path: Path) -> None:
    lock = _try(path)
    if lock is not None:
        lock.release(remove=not path.with_suffix("").is_dir())


def _try(path: Path) -> FileLock | None:
    try:
        return FileLock.try_acquire(path)
    except OSError as error:
        logger.warning("cannot lock %s: %s", path, error.strerror)
        return None
