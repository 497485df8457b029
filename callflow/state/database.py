"""Layer 1: the one SQLite database of a state folder, and the one thread of this process that talks to it.

Everything that must survive a ``kill -9`` is a row here: recordings, taken urls, deliveries and their
attempts. Work handed in while a commit (an fsync) is under way is committed together by the next one,
so that a thousand small transactions do not cost a thousand disk flushes.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from callflow.clock import monotonic
from callflow.errors import StorageError
from callflow.state.schema import migrate

T = TypeVar("T")

BUSY_S = 30.0
"""How long another process may hold the database before we give up."""

WAL_PAGES = 4000
"""So many pages (of 4 kB) are written ahead before they are brought to their places: those that each call
writes anew, such as the ends of indexes, are copied once for many calls.
"""

GROUP = 256
"""At most so many pieces of work share one commit."""


@dataclass(slots=True)
class _Work:
    action: Callable[[sqlite3.Connection], Any]
    done: Future[Any]


class Database:
    """Runs functions on a connection, each in a transaction of its own kind: all of it is kept, or none."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._main, name="callflow-database", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open (or make) the database file. Raises StorageError if it cannot be used."""
        try:
            path.touch(mode=0o600)  # urls hold passwords and tokens
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"the database {path} cannot be opened: {error}", hint=_HINT) from error
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            migrate(connection)  # before: it may make a table anew that others refer to
            connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error as error:
            connection.close()
            raise StorageError(f"the database {path} cannot be used: {error}", hint=_HINT) from error
        except BaseException:
            connection.close()
            raise
        return cls(path, connection)

    def submit(self, action: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Hand in work; the future is done once it is committed (on disk) or has failed.

        If ``action`` raises, what it wrote is rolled back and the future raises the same.
        """
        done: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StorageError(
                    f"the database {self.path} is closed", hint="this is a fault of the program"
                )
            self._queue.put(_Work(action, done))
        return done

    def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """``submit`` and wait; from any thread but never on an event loop that must not stand still."""
        return self.submit(action).result()

    async def arun(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """``submit`` and wait without blocking the loop. In virtual time: within ``clock.external()``."""
        return await asyncio.wrap_future(self.submit(action))

    def close(self) -> None:
        """Finish what was handed in, and close. Calling it twice is fine."""
        with self._lock:
            already, self._closed = self._closed, True
            if not already:
                self._queue.put(None)
        self._thread.join()

    # ---- the thread ---------------------------------------------------------------------------

    def _main(self) -> None:
        while self._round():  # a call each: while we wait for work, no results are held
            pass
        self._connection.close()

    def _round(self) -> bool:
        """Wait for work and commit what is there by then. False: that was the last."""
        batch: list[_Work] = []
        work = self._queue.get()
        while work is not None:
            if work.done.set_running_or_notify_cancel():
                batch.append(work)
            if len(batch) >= GROUP:
                break
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                break
        if batch:
            self._commit(batch)
        return work is not None

    def _commit(self, batch: list[_Work]) -> None:
        """One transaction for all, a savepoint for each; a single one needs none."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            if len(batch) == 1:
                outcomes = [(batch[0], *self._alone(batch[0]))]
            else:
                outcomes = [(work, *self._one(work)) for work in batch]
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            failure = StorageError(f"the database {self.path} cannot be written: {error}", hint=_HINT)
            for work in batch:
                work.done.set_exception(failure)
            return
        for work, result, problem in outcomes:
            if problem is None:
                work.done.set_result(result)
            else:
                work.done.set_exception(problem)

    def _alone(self, work: _Work) -> tuple[Any, BaseException | None]:
        try:
            return work.action(self._connection), None
        except BaseException as problem:
            if not self._connection.in_transaction:
                raise  # SQLite rolled everything back by itself (disk full ...)
            self._connection.execute("ROLLBACK")
            if isinstance(problem, sqlite3.Error):
                return None, _storage_error(self.path, problem)
            return None, problem

    def _one(self, work: _Work) -> tuple[Any, BaseException | None]:
        self._connection.execute("SAVEPOINT work")
        try:
            result = work.action(self._connection)
        except BaseException as problem:
            if not self._connection.in_transaction:
                raise  # SQLite rolled everything back by itself (disk full ...)
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            if isinstance(problem, sqlite3.Error):
                return None, _storage_error(self.path, problem)
            return None, problem
        self._connection.execute("RELEASE work")
        return result, None


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Journal mode WAL. SQLite does not wait here for another process that makes or recovers the file at this
    very moment, whatever its busy timeout is: so we do.
    """
    until, pause = monotonic() + BUSY_S, threading.Event()
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
            pause.wait(0.02)
        else:
            return


_HINT = "is the state folder writable, is there space, is the file a callflow database?"


def _storage_error(path: Path, problem: sqlite3.Error) -> StorageError:
    error = StorageError(f"the database {path} refused: {problem}", hint=_HINT)
    error.__cause__ = problem
    return error
