"""Layer 2: from spool to file: encode, name, commit. Runs in threads beside the calls.

The order makes every instant safe to die at: file whole and named, then one transaction (row and delivery),
then the spool goes. Whatever was done before a crash is done again, with the same names and ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from callflow.clock import SystemClock
from callflow.documents.keeping_rules import rules_of
from callflow.errors import CallflowError, RecordingError
from callflow.log import logger
from callflow.recording.ahead import Ahead
from callflow.recording.crashpoints import crash_point
from callflow.recording.encode import Making, encode
from callflow.recording.messages import SpoolClosed
from callflow.recording.outcome import (
    DONE,
    FINAL,
    Finished,
    Verdict,
    delivery_row,
    event_row,
    file_of,
    finished,
    recording_row,
    verdict,
)
from callflow.recording.recorder import State
from callflow.recording.spool import Spool, read_spool, remove_spool
from callflow.state.account_documents import keeping_of
from callflow.state.database import Database
from callflow.state.erasing import is_being_erased
from callflow.state.folder import StateFolder, safe_name
from callflow.state.hooks import announce_recording
from callflow.state.lock import FileLock
from callflow.state.records import (
    DeliveryRow,
    RecordingRow,
    find_recording,
    finish_recording,
    list_recordings,
    open_recordings,
)
from callflow.state.transcripts import TranscriptWish, want

__all__ = ["Finished", "Finisher"]

LOST_AFTER_S = 60.0
"""A listed recording gets its spool within milliseconds; after this long without one, it never will."""


class Finisher:
    """Finishes spools of ``folder`` into files, rows and deliveries. ``wall``: the machine's seconds since
    1970, for when a delivery enters the outbox.
    """

    def __init__(
        self, folder: StateFolder, database: Database, *, wall: Callable[[], float] | None = None
    ) -> None:
        self.ahead = Ahead(folder)
        self._folder = folder
        self.database = database
        self.wall = wall or SystemClock().wall

    def finish(self, closed: SpoolClosed) -> Finished:
        """Bring a closed spool to its end. Blocks (encoding, fsync, SQLite): call it in a thread; several at
        once are fine. Does not raise for what is wrong with the recording: that is a ``Finished`` with
        ``change`` ``failed``, and the spool is kept.
        """
        spool = Path(closed.folder)
        try:
            lock = FileLock.acquire(self._folder.lock_of(spool))
        except OSError as error:
            return self._fail(closed.id, "spool_unwritable", f"{error.strerror}: {spool}")
        return self.finish_locked(spool, lock, closed)

    def finish_locked(self, folder: Path, lock: FileLock, closed: SpoolClosed) -> Finished:
        """``finish`` for who holds the lock (recovery); it is released here."""
        gone, making = False, self.ahead.take(folder)
        try:
            if not folder.is_dir():  # never made, or another process was quicker
                gone = True
                return self._without_spool(closed)
            spool = read_spool(folder)
            done = self._finish(spool, closed, making)
            gone = done.state != State.FAILED or not spool.samples
            crash_point("between-commit-and-removal")
            if gone:
                remove_spool(folder)
            return done
        except CallflowError as error:
            return self._fail(closed.id, closed.reason or "finishing", error.message)
        except Exception as error:  # one damaged spool must not keep the others, or a start, from their way
            logger.exception("finishing %s", folder)
            return self._fail(
                closed.id, closed.reason or "finishing", f"a fault of callflow's own: {error!r}"
            )
        finally:
            if making is not None:
                making.abandon()  # nothing is left of it if it has become the file
            lock.release(remove=gone)

    def _finish(self, spool: Spool, closed: SpoolClosed, making: Making | None) -> Finished:
        already = self._row(spool.spec.id)
        if already is not None and already.state in DONE:
            return finished(already, None)  # it died between the commit and the removal of the spool
        if already is None and self.database.run(lambda conn: is_being_erased(conn, spool.spec.id)):
            raise RecordingError(
                f"recording {spool.spec.id} is erased", hint="its spool goes as soon as it can"
            )
        found = verdict(spool, closed.reason, closed.message)
        if found.state is not State.READY:
            return self._commit(recording_row(self._folder, spool, found, None), None)
        try:
            encoded = encode(spool, file_of(self._folder, spool), making, self._seal_to(spool))
        except CallflowError as error:
            why = f"{found.message}; {error.message}" if found.message else error.message
            failed = Verdict(State.FAILED, closed.reason or "finishing", why, found.recovered)
            return self._commit(recording_row(self._folder, spool, failed, None), None)
        crash_point("between-rename-and-commit")
        row = recording_row(self._folder, spool, found, encoded)
        wall = self.wall()
        told = event_row(row, spool, wall)
        return self._commit(row, delivery_row(row, spool, wall), told, spool.spec.transcript)

    def _seal_to(self, spool: Spool) -> tuple[str, ...] | None:
        """The keys that the account names now (one that was wrong may have been corrected), else those it
        named when the recording began. None: it is not sealed.
        """
        begun_with, account_id = spool.spec.seal_to, spool.spec.account_id
        if begun_with is None:
            return None
        rules = rules_of(self.database.run(lambda conn: keeping_of(conn, account_id)))
        return rules.recipients if rules.sealed else begun_with

    def cancel_lost(self) -> list[Finished]:
        """Recordings that are listed as under way but have no spool: their process died before they began.
        Raises StorageError.
        """
        before = self.wall() - LOST_AFTER_S
        lost = self.database.run(lambda conn: open_recordings(conn, before))
        return [done for row in lost if (done := self._cancel_lost(row)) is not None]

    def _cancel_lost(self, row: RecordingRow) -> Finished | None:
        spool = self._folder.spool_of(row.id)
        lock = FileLock.try_acquire(self._folder.lock_of(spool))
        if lock is None:
            return None
        here = spool.is_dir()
        try:
            if here:
                return None
            message = "its process died before the recording began"
            cancelled = replace(row, state=str(State.CANCELLED), reason="recovered", message=message)
            return self._commit(replace(cancelled, recovered=True), None)
        finally:
            lock.release(remove=not here)

    def _commit(
        self,
        row: RecordingRow,
        delivery: DeliveryRow | None,
        event: DeliveryRow | None = None,
        transcript: TranscriptWish | None = None,
    ) -> Finished:
        more = () if event is None else (event,)

        def commit(conn: sqlite3.Connection) -> None:
            finish_recording(conn, row, delivery, *more)
            announce_recording(conn, row)
            if transcript is not None:
                want(conn, row.id, transcript, row.finished_wall)

        self.database.run(commit)
        return replace(finished(row, delivery, event), to_transcribe=transcript is not None)

    def _row(self, recording_id: str) -> RecordingRow | None:
        return self.database.run(lambda conn: find_recording(conn, recording_id))

    def _without_spool(self, closed: SpoolClosed) -> Finished:
        row = self._row(closed.id) if closed.id else None
        if row is not None and row.state in FINAL:
            return finished(row, None)
        return self._fail(
            closed.id, closed.reason or "spool_unwritable", closed.message or "there is no spool"
        )

    def _fail(self, recording_id: str, reason: str, message: str) -> Finished:
        """Note a failure in the database, if that can be written, and give it back. ``recording_id``: or the
        name of its spool, if that is all that is known.
        """

        def note(conn: sqlite3.Connection) -> RecordingRow:
            row = find_recording(conn, recording_id) or next(
                (row for row in list_recordings(conn) if safe_name(row.id) == recording_id), None
            )
            if row is None:
                return unlisted
            if row.state in FINAL:
                return row
            failed = replace(row, state=str(State.FAILED), reason=reason, message=message)
            finish_recording(conn, failed, None)
            announce_recording(conn, failed)
            return failed

        unlisted = RecordingRow(
            id=recording_id, call_id="", state=str(State.FAILED), reason=reason, message=message
        )
        try:
            return finished(self.database.run(note), None)
        except CallflowError as error:
            both = message if error.message in message else f"{message}; {error.message}"
            return finished(replace(unlisted, message=both), None)
