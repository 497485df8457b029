"""Layer 1: a state folder of an earlier version is opened, loses nothing, and is delivered."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from callflow.delivery import outbox
from callflow.delivery.receiver import Receiver
from callflow.recording.finish import Finisher
from callflow.recording.recover import recover
from callflow.state.database import Database
from callflow.state.filters import Filter
from callflow.state.folder import StateFolder
from callflow.state.library import find_page
from callflow.state.quota import used_bytes
from callflow.state.records import get_recording, list_deliveries, list_recordings
from callflow.state.schema import STEPS
from tests.crash.harness import ROOT
from tests.delivery.support import SETTINGS, State
from tests.state import before

TABLES = ("recordings", "urls", "deliveries", "attempts", "changes")


def rows(path: Path) -> dict[str, list[Any]]:
    """All that the earlier version has written, in its own columns."""
    with sqlite3.connect(":memory:") as old:
        old.executescript((before.HERE / "database.sql").read_text())
        columns = {
            table: ", ".join(line[1] for line in old.execute(f"PRAGMA table_info({table})"))
            for table in TABLES
        }
    connection = sqlite3.connect(path)
    try:
        return {
            table: sorted(connection.execute(f"SELECT {named} FROM {table}").fetchall(), key=repr)
            for table, named in columns.items()
        }
    finally:
        connection.close()


def test_it_is_whole_and_found(tmp_path: Path) -> None:
    folder = before.make(tmp_path)
    was = rows(folder.database)
    assert {table: len(found) for table, found in was.items()} == {
        "recordings": 11, "urls": 8, "deliveries": 9, "attempts": 4, "changes": 1,
    }  # fmt: skip
    database = Database.open(folder.database)
    found = database.run(lambda conn: find_page(conn, Filter(account_id="acme"), size=50))
    assert {row.id for row in found.rows} == {row.id for row in database.run(list_recordings)}
    by_number = database.run(
        lambda conn: find_page(conn, Filter(account_id="acme", number="15551234"), size=50)
    )
    assert {row.id for row in by_number.rows} == {"old-failed", "old-lost", "old-spool"}
    kept = sum(row.bytes for row in database.run(list_recordings) if row.file)
    assert database.run(lambda conn: used_bytes(conn, "acme")) == kept > 9792
    sent = {row.id: row for row in database.run(list_deliveries)}
    assert {sent[id].account_id for id in sent if id != "e-call"} == {"acme"}
    database.close()
    assert rows(folder.database) == was


def test_all_of_it_arrives(tmp_path: Path) -> None:
    async def main() -> None:
        receiver = Receiver(tmp_path / "received")
        at = urlsplit(await receiver.start()).netloc
        folder = before.make(tmp_path / "state", at)
        state = State(folder, Database.open(folder.database))
        try:
            recover(folder, Finisher(folder, state.database))
            for id in ("d-dead", "d-blocked", "d-cancelled"):
                state.database.run(partial(outbox.retry, delivery_id=id, now=1.0))
            await state.deliver(replace(SETTINGS, keep_delivered=False))
            left = [row.id for row in state.database.run(list_deliveries) if row.state != "DELIVERED"]
            assert left == []
            spool = state.database.run(lambda conn: get_recording(conn, "old-spool"))
            assert (spool.state, spool.recovered, spool.seconds) == ("READY", True, 1.0)
            lost = state.database.run(lambda conn: get_recording(conn, "old-lost"))
            assert lost.state == "CANCELLED"
        finally:
            await receiver.close()
            state.database.close()
        got = {path.read_bytes() for path in (tmp_path / "received").rglob("old-*.wav")}
        assert got >= {f"old-{name}".encode() for name in before.STATES if name != "delivered"}
        assert len(got) == 7, "and the one that was recovered"
        assert list(folder.outbox.iterdir()) == []

    asyncio.run(main())


@pytest.mark.crash
def test_killed_in_the_middle_of_the_migration(tmp_path: Path) -> None:
    points = [2, 12, 25, 38, 50]
    words = []
    for point in points:
        before.make(tmp_path / str(point))
        words += ["migrate", str(point), str(tmp_path / str(point))]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.crash.keeping", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.split() == ["9"] * len(points), (ran.stdout, ran.stderr)
    for point in points:
        folder = StateFolder.open(tmp_path / str(point))
        connection = sqlite3.connect(folder.database)
        assert connection.execute("PRAGMA user_version").fetchone() == (5,)
        connection.close()
        was = rows(folder.database)
        assert len(was["deliveries"]) == 9
        Database.open(folder.database).close()
        connection = sqlite3.connect(folder.database)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
        assert rows(folder.database) == was
