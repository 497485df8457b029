"""The state database: transactions, threads, several processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from callflow.errors import RecordingError, StorageError
from callflow.state.database import Database
from callflow.state.records import RecordingRow, begin_recording, list_recordings
from callflow.state.schema import STEPS


def put(database: Database, value: int) -> int:
    def action(conn: sqlite3.Connection) -> int:
        conn.execute("INSERT INTO t VALUES (?)", (value,))
        return value

    return database.run(action)


def make(database: Database) -> None:
    database.run(lambda conn: conn.execute("CREATE TABLE t (v INTEGER UNIQUE)"))


def values(path: Path) -> list[int]:
    conn = sqlite3.connect(path)
    try:
        return [row[0] for row in conn.execute("SELECT v FROM t ORDER BY v")]
    finally:
        conn.close()


def test_committed_is_on_disk_and_durable(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    make(database)
    assert put(database, 7) == 7
    assert values(tmp_path / "x.db") == [7], "another connection sees it at once"
    assert database.run(lambda conn: conn.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    assert database.run(lambda conn: conn.execute("PRAGMA synchronous").fetchone()) == (2,)
    assert (tmp_path / "x.db").stat().st_mode & 0o077 == 0, "urls hold passwords"
    database.close()
    database.close()


def test_what_raises_is_rolled_back_alone(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    make(database)
    gate = threading.Event()
    database.submit(lambda conn: gate.wait(5))

    def bad(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO t VALUES (100)")
        raise RecordingError("no", hint="really")

    futures = [database.submit(lambda conn: conn.execute("INSERT INTO t VALUES (1)"))]
    failing = database.submit(bad)
    doubled = database.submit(lambda conn: conn.execute("INSERT INTO t VALUES (1)"))
    futures.append(database.submit(lambda conn: conn.execute("INSERT INTO t VALUES (2)")))
    gate.set()
    for future in futures:
        future.result(5)
    with pytest.raises(RecordingError, match="no"):
        failing.result(5)
    with pytest.raises(StorageError, match="UNIQUE"):
        doubled.result(5)
    database.close()
    assert values(tmp_path / "x.db") == [1, 2]


def test_work_handed_in_together_is_committed_together(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    make(database)
    commits: list[str] = []
    database.run(lambda conn: conn.set_trace_callback(commits.append))
    gate = threading.Event()
    futures = [database.submit(lambda conn: gate.wait(5))]

    def add(number: int) -> None:
        futures.append(database.submit(lambda conn: bool(conn.execute(f"INSERT INTO t VALUES ({number})"))))

    for number in range(100):
        add(number)
    gate.set()
    for future in futures:
        future.result(5)
    database.close()
    assert len(values(tmp_path / "x.db")) == 100
    assert commits.count("COMMIT") <= 4


def test_many_threads_and_a_loop(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    make(database)

    def work(first: int) -> None:
        for number in range(first, first + 25):
            put(database, number)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()

    def add(conn: sqlite3.Connection, number: int) -> None:
        conn.execute("INSERT INTO t VALUES (?)", (number,))

    async def main() -> None:
        await asyncio.gather(*(database.arun(partial(add, number=n)) for n in range(300, 325)))

    asyncio.run(main())
    for thread in threads:
        thread.join()
    database.close()
    assert len(values(tmp_path / "x.db")) == 100


def test_arun(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")

    async def main() -> int:
        return await database.arun(lambda conn: int(conn.execute("SELECT 41 + 1").fetchone()[0]))

    assert asyncio.run(main()) == 42
    database.close()


def test_closed_is_closed_and_finishes_first(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    make(database)
    future = database.submit(lambda conn: conn.execute("INSERT INTO t VALUES (5)"))
    database.close()
    future.result(1)
    assert values(tmp_path / "x.db") == [5]
    with pytest.raises(StorageError, match="closed"):
        database.run(lambda conn: None)


@pytest.mark.parametrize("content", [b"this is no database, but it is long enough to be looked at" * 20])
def test_not_a_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"x\.db") as caught:
        Database.open(path)
    assert caught.value.hint
    assert path.read_bytes() == content


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        Database.open(tmp_path / "no" / "x.db")


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    conn = sqlite3.connect(path)
    conn.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    conn.commit()
    conn.close()
    with pytest.raises(StorageError, match="later callflow"):
        Database.open(path)


CHILD = """
import sys
from pathlib import Path
from callflow.state.database import Database
from callflow.state.records import RecordingRow, begin_recording

database = Database.open(Path(sys.argv[1]))
for number in range(25):
    row = RecordingRow(id=f"{sys.argv[2]}-{number}", call_id="c")
    database.run(lambda conn: begin_recording(conn, row))
database.close()
"""


def test_several_processes_at_once(tmp_path: Path) -> None:
    """All of them make the database and write into it."""
    path = tmp_path / "x.db"
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(number)]) for number in range(4)
    ]
    assert [child.wait(30) for child in children] == [0, 0, 0, 0]
    database = Database.open(path)
    count = database.run(lambda conn: conn.execute("SELECT count(*) FROM recordings").fetchone()[0])
    database.close()
    assert count == 100


def test_a_full_disk_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    make(database)
    pages = database.run(lambda conn: conn.execute("PRAGMA page_count").fetchone()[0])
    database.run(lambda conn: conn.execute(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StorageError):
        database.run(lambda conn: conn.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(9999)]))
    database.run(lambda conn: conn.execute(f"PRAGMA max_page_count = {pages + 1000}"))
    assert put(database, 3) == 3
    database.close()
    assert values(tmp_path / "x.db") == [3]


def test_two_processes_that_make_the_database_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says "locked" at once, whatever its busy timeout, where two switch to WAL in the same moment."""
    left = [None, None]

    class Contended(sqlite3.Connection):
        def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
            if "journal_mode" in sql and left:
                left.pop()
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(sql, parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Contended))
    database = Database.open(tmp_path / "x.db")
    assert database.run(lambda conn: conn.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    database.close()
    assert not left


def test_a_damaged_row_does_not_hold_up_the_others(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    database.run(lambda conn: begin_recording(conn, RecordingRow(id="r", call_id="c")))
    database.run(lambda conn: conn.execute("UPDATE recordings SET document = '{\"from'"))
    (row,) = database.run(list_recordings)
    database.close()
    assert (row.id, dict(row.document)) == ("r", {})
