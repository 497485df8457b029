"""A database of an earlier callflow becomes today's, with all that is in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from callflow.state import schema
from callflow.state.database import Database
from callflow.state.records import get_delivery, list_attempts, list_deliveries
from tests.state.erased import erased

BEFORE_MESSAGES = 3
"""Steps of a database in which a delivery was always of a recording's file."""


def test_deliveries_and_their_attempts_outlive_the_step_that_makes_their_table_anew(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    _of_old(path)
    database = Database.open(path)
    row = database.run(lambda conn: get_delivery(conn, "d1"))
    assert (row.recording_id, row.state, row.attempts, row.message) == ("r1", "WAITING", 2, "")
    assert [each.number for each in database.run(lambda conn: list_attempts(conn, "d1"))] == [1, 2]
    assert database.run(_indexes) >= {"deliveries_due", "deliveries_next", "deliveries_sending"}
    database.run(lambda conn: erased(conn, "r1", force=True))  # and they still belong to it
    assert database.run(list_deliveries) == []
    assert database.run(lambda conn: list_attempts(conn, "d1")) == []
    with pytest.raises(sqlite3.IntegrityError):
        _insert(database)
    database.close()


def _of_old(path: Path) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    for step in schema.STEPS[:BEFORE_MESSAGES]:
        for statement in step.split(";"):
            conn.execute(statement)
    conn.execute(f"PRAGMA user_version = {BEFORE_MESSAGES}")
    empty = dict.fromkeys(_columns(conn, "recordings"), "")
    numbers = ("channels", "rate", "samples", "bytes", "recovered", "started_wall", "finished_wall")
    _put(conn, "recordings", {**empty, **dict.fromkeys(numbers, 0), "id": "r1", "document": "{}"})
    empty = dict.fromkeys(_columns(conn, "deliveries"), "")
    more = (
        "bytes", "attempts", "fast_failures", "slow_failures", "created_wall", "since_wall", "next_wall",
        "finished_wall", "last_status", "lease_until",
    )  # fmt: skip
    row = {**empty, **dict.fromkeys(more, 0), "id": "d1", "recording_id": "r1", "state": "WAITING"}
    _put(conn, "deliveries", {**row, "attempts": 2})
    for number in (1, 2):
        conn.execute("INSERT INTO attempts VALUES ('d1', ?, 0, 0, 'fault', NULL, '', '', x'')", (number,))
    conn.close()


def _columns(conn: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in conn.execute(f"PRAGMA table_info({table})")]


def _put(conn: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    marks = ", ".join("?" for _ in row)
    conn.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def _indexes(conn: sqlite3.Connection) -> set[str]:
    return {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}


def _insert(database: Database) -> None:
    """An attempt of a delivery that is not there."""
    try:
        database.run(
            lambda conn: conn.execute("INSERT INTO attempts VALUES ('no', 1, 0, 0, '', NULL, '', '', x'')")
        )
    except Exception as error:
        raise error.__cause__ or error from None
