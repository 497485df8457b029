"""Layer 1: reading beside the one thread that writes: whoever looks through the library holds up no call.

SQLite's write-ahead log gives every reader the database as it was when its transaction began, whatever is
written meanwhile.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from callflow.errors import StorageError

T = TypeVar("T")

THREADS = 2
"""So many look at once."""
CACHE_KB = 16_384
"""Pages of the database that each keeps in memory."""


class Reader:
    """Runs functions on connections that cannot write, each in a transaction of its own. The database must be
    there (``Database.open``). From any thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="callflow-reader")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []

    def submit(self, action: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Hand in a look; the future has what ``action`` gives, or raises what it raises (of SQLite's:
        StorageError).
        """
        try:
            return self._pool.submit(self._run, action)
        except RuntimeError as error:
            raise StorageError(
                f"the database {self.path} is closed", hint="this is a fault of the program"
            ) from error

    async def arun(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """``submit`` and wait without blocking the loop."""
        return await asyncio.wrap_future(self.submit(action))

    def close(self) -> None:
        """Finish what was handed in, and close. Calling it twice is fine."""
        self._pool.shutdown()
        with self._lock:
            while self._open:
                self._open.pop().close()

    def _run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        try:
            conn = self._connection()
            conn.execute("BEGIN")
            try:
                return action(conn)
            finally:
                conn.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StorageError(f"the database {self.path} cannot be read: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        conn: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if conn is None:
            conn = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            with self._lock:
                self._open.append(conn)
            conn.execute("PRAGMA query_only = ON")
            conn.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            self._local.connection = conn
        return conn
