"""The process that dies while it erases, seals, or brings a database to today's shape: one interpreter that
forks for each place to die at.

    python -m tests.crash.keeping WHAT POINT STATE [WHAT POINT STATE ...]

``WHAT`` is ``erase`` (recording ``rec-1``), ``finish`` (every spool) or ``migrate`` (``POINT``: at which
statement). It prints a line for each: the signal that ended it, or 0.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

from callflow.recording import crashpoints
from callflow.recording.erasing import erase
from callflow.recording.finish import Finisher
from callflow.recording.recover import recover
from callflow.state.database import Database
from callflow.state.erasing import Why
from callflow.state.folder import StateFolder
from callflow.state.schema import migrate


def work(what: str, point: str, state: str) -> None:
    """In the forked process."""
    if what == "migrate":
        migrate_until(int(point), Path(state))
        return
    crashpoints._trap = crashpoints._Trap(point)
    folder = StateFolder.open(Path(state))
    database = Database.open(folder.database)
    if what == "erase":
        erase(folder, database, "rec-1", why=Why.RETENTION, by="test", wall=1.0, force=True)
    else:
        recover(folder, Finisher(folder, database))


def migrate_until(statements: int, state: Path) -> None:
    """Die at the so many-th statement of the migration."""
    left = statements
    connection = sqlite3.connect(state / "callflow.db", isolation_level=None)

    def count(statement: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA cache_size=1")  # pages go to the log before the commit
    connection.set_trace_callback(count)
    migrate(connection)


def main(words: list[str]) -> None:
    """Before the first fork there is no thread."""
    for what, point, state in zip(words[::3], words[1::3], words[2::3], strict=True):
        child = os.fork()
        if child == 0:
            try:
                work(what, point, state)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
