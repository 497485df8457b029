"""Recordings are found again: what every filter gives, page by page, and by which index."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from callflow.errors import BadFilter, StorageError
from callflow.state import schema
from callflow.state.database import Database
from callflow.state.filters import Filter, read_filter, with_filter
from callflow.state.library import MOST_FOUND, Key, find_page, find_recordings, page_query
from callflow.state.messages import put_into_folder
from callflow.state.reader import Reader
from callflow.state.records import (
    RecordingRow,
    begin_recording,
    finish_recording,
    get_recording,
    update_recording,
)
from tests.state.erased import erased

NAMES = ("Anna Smith", "Özgür Öz", "Ng", 'bob\'s "bar"', "50%_off")
COUNT = 600


def made() -> list[RecordingRow]:
    """Recordings of two accounts; some began at the same instant."""
    chance = random.Random(7)
    rows = []
    for index in range(COUNT):
        number, user = f"+4930{chance.randrange(40)}12", str(200 + chance.randrange(12))
        rows.append(
            RecordingRow(
                id=f"r{index}",
                call_id=f"call{index // 3}",
                account_id=chance.choice(("a", "a", "a", "b")),
                state=chance.choice(("READY", "READY", "FAILED", "RECORDING")),
                origin=chance.choice(("callflow : x", "voicemail")),
                label=chance.choice(("", "sales")),
                rate=8000,
                samples=8000 * chance.randrange(100),
                started_wall=1000.0 + index // 2 + 0.25,
                document={
                    "from": f"{number}@realm",
                    "to": f"{user}@realm",
                    "caller_id_name": chance.choice(NAMES),
                    "caller_id_number": number,
                    "owner_id": f"u{user}",
                    "callflow_id": f"f{chance.randrange(5)}",
                },
            )
        )
    return rows


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, list[RecordingRow]]]:
    database = Database.open(tmp_path_factory.mktemp("library") / "x.db")
    rows = made()

    def put(conn: sqlite3.Connection) -> None:
        for row in rows:
            begin_recording(conn, row)

    database.run(put)
    yield database, rows
    database.close()


def _numbers(row: RecordingRow) -> set[str]:
    return {str(row.document[key]).partition("@")[0].lstrip("+") for key in ("from", "to")}


ASKED: list[tuple[dict[str, str], Callable[[RecordingRow], bool]]] = [
    ({}, lambda row: True),
    ({"created_from": "1970-01-01T00:18:20Z"}, lambda row: row.started_wall >= 1100),
    ({"created_to": "1970-01-01T00:18:20Z"}, lambda row: row.started_wall < 1100),
    ({"number": "+49 (30) 712"}, lambda row: "4930712" in _numbers(row)),
    ({"number": "205"}, lambda row: "205" in _numbers(row)),
    ({"number": "*0712"}, lambda row: any(each.endswith("0712") for each in _numbers(row))),
    ({"number": "49307*"}, lambda row: any(each.startswith("49307") for each in _numbers(row))),
    ({"owner_id": "u203"}, lambda row: row.document["owner_id"] == "u203"),
    ({"flow_id": "f2"}, lambda row: row.document["callflow_id"] == "f2"),
    ({"call_id": "call7"}, lambda row: row.call_id == "call7"),
    ({"state": "failed"}, lambda row: row.state == "FAILED"),
    ({"state": "FAILED,RECORDING"}, lambda row: row.state in ("FAILED", "RECORDING")),
    ({"origin": "voicemail"}, lambda row: row.origin == "voicemail"),
    ({"min_seconds": "90"}, lambda row: row.seconds >= 90),
    ({"max_seconds": "5.5"}, lambda row: row.seconds <= 5.5),
    ({"text": "smi ANN"}, lambda row: row.document["caller_id_name"] == "Anna Smith"),
    ({"text": "ÖZGÜR"}, lambda row: row.document["caller_id_name"] == "Özgür Öz"),
    ({"text": "ng"}, lambda row: row.document["caller_id_name"] == "Ng"),
    ({"text": '"bar"'}, lambda row: '"bar"' in row.document["caller_id_name"]),
    ({"text": "0%_o"}, lambda row: "50%_off" in row.document["caller_id_name"]),
    ({"text": "sales 4930"}, lambda row: row.label == "sales"),
    (
        {"text": "smith", "owner_id": "u203", "state": "READY", "min_seconds": "10"},
        lambda row: (
            row.document["caller_id_name"] == "Anna Smith"
            and row.document["owner_id"] == "u203"
            and row.state == "READY"
            and row.seconds >= 10
        ),
    ),
    ({"owner_id": "nobody"}, lambda row: False),
]


@pytest.mark.parametrize("asked, fits", ASKED, ids=[str(asked) for asked, _ in ASKED])
@pytest.mark.parametrize("account", ["a", ""])
@pytest.mark.parametrize("ascending", [False, True])
def test_a_filter_gives_what_fits_each_once_and_in_order(
    library: tuple[Database, list[RecordingRow]],
    asked: dict[str, str],
    fits: Callable[[RecordingRow], bool],
    account: str,
    ascending: bool,
) -> None:
    database, rows = library
    wanted = read_filter(asked, account_id=account)
    expected = [row for row in rows if fits(row) and account in ("", row.account_id)]
    if not ascending:
        expected.reverse()
    found: list[RecordingRow] = []
    start: Key | None = None
    for _ in range(COUNT):
        at = start
        page = database.run(
            lambda conn: find_page(conn, wanted, size=37, start=at, ascending=ascending)  # noqa: B023
        )
        assert page.start == at or at is None
        found += page.rows
        if page.next is None:
            break
        start = Key.read(str(page.next))
    assert found == expected


@pytest.mark.parametrize(
    "asked", [{"text": "smith"}, {"min_seconds": "9"}, {"text": "smith", "max_seconds": "80"}], ids=str
)
def test_what_many_have_is_found_page_by_page(
    library: tuple[Database, list[RecordingRow]], monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    database, _ = library
    ways = {}
    for most in (MOST_FOUND, 10):
        monkeypatch.setattr("callflow.state.library.MOST_FOUND", most)
        wanted = read_filter(asked, account_id="a")
        ways[most] = database.run(lambda conn: find_recordings(conn, wanted, COUNT))  # noqa: B023
        plan = database.run(lambda conn: _plan(conn, wanted))  # noqa: B023
        assert any("library_time" in line for line in plan) == (most == 10)
    assert ways[10] == ways[MOST_FOUND] != []


INDEX = {
    "call_id": "library_call",
    "number": "library_numbers",
    "owner_id": "library_owner",
    "flow_id": "library_flow",
    "origin": "library_origin",
}


@pytest.mark.parametrize("asked", [asked for asked, _ in ASKED], ids=str)
def test_no_page_is_found_by_looking_through_everything(
    library: tuple[Database, list[RecordingRow]], asked: dict[str, str]
) -> None:
    """Each table is searched by an index (an FTS5 table is always called a scan: its index is in the M)."""
    database, _ = library
    plan = database.run(lambda conn: _plan(conn, read_filter(asked, account_id="a")))
    scans = [line for line in plan if re.match(r"SCAN (?!library_words VIRTUAL TABLE INDEX \d+:M)", line)]
    assert not [line for line in scans if not line.startswith("SCAN json_each")], plan
    by_words = "text" in asked or "*" in asked.get("number", "")
    if "min_seconds" in asked or "max_seconds" in asked:
        assert by_words or "library_length" in plan[0]
        return
    expected = next((index for name, index in INDEX.items() if name in asked), "")
    if not by_words:
        first = "SEARCH k" if expected == "library_numbers" else f"USING.* INDEX {expected or 'library_'}"
        assert re.search(first, plan[0]), plan
        assert not any("TEMP B-TREE" in line for line in plan), plan  # the index has the order, too


def _plan(conn: sqlite3.Connection, wanted: Filter) -> list[str]:
    conn.create_function("has_words", 2, lambda words, needles: True, deterministic=True)
    text, values = page_query(conn, wanted, size=50, start=Key(1100.0, 3))
    return [line[3] for line in conn.execute(f"EXPLAIN QUERY PLAN {text}", values)]


# ---- the triggers ---------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "x.db")
    yield opened
    opened.close()


ROW = RecordingRow(
    id="r1",
    call_id="c1",
    account_id="a",
    label="first",
    rate=8000,
    started_wall=5.0,
    document={"from": "+4930123@realm", "to": "200@realm"},
)


def _found(database: Database, **asked: str) -> list[str]:
    wanted = read_filter(asked, account_id="a")
    return [row.id for row in database.run(lambda conn: find_recordings(conn, wanted, 10))]


def test_what_is_found_follows_the_recording(database: Database) -> None:
    database.run(lambda conn: begin_recording(conn, ROW))
    assert _found(database, number="+4930123", state="RECORDING", text="first") == ["r1"]
    database.run(lambda conn: update_recording(conn, "r1", "MASKED"))
    assert _found(database, state="MASKED") == ["r1"] and _found(database, state="RECORDING") == []
    ended = replace(
        ROW,
        state="READY",
        label="second",
        started_wall=6.0,
        samples=16000,
        finished_wall=8.0,
        document={"from": "+4930123@realm", "to": "201@realm", "owner_id": "u1"},
    )
    database.run(lambda conn: finish_recording(conn, ended, None))
    database.run(lambda conn: finish_recording(conn, ended, None))  # recovery may do it again
    assert _found(database, number="4930123", owner_id="u1", min_seconds="2", text="second") == ["r1"]
    assert _found(database, number="200") == _found(database, text="first") == []
    database.run(lambda conn: put_into_folder(conn, "r1", "saved"))
    assert _found(database, number="201") == ["r1"]
    database.run(lambda conn: erased(conn, "r1"))
    assert _found(database) == _found(database, number="201") == _found(database, text="second") == []
    left = database.run(_everything)
    assert left == {"library": 0, "library_numbers": 0}
    database.run(
        lambda conn: conn.execute("INSERT INTO library_words (library_words) VALUES ('integrity-check')")
    )


def _everything(conn: sqlite3.Connection) -> dict[str, int]:
    return {
        table: conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("library", "library_numbers")
    }


def test_a_damaged_document_keeps_nobody_from_the_others(database: Database) -> None:
    database.run(lambda conn: begin_recording(conn, ROW))
    database.run(lambda conn: conn.execute("UPDATE recordings SET document = '{', state = 'FAILED'"))
    assert _found(database, state="FAILED") == ["r1"] and _found(database, number="200") == []


def test_recordings_of_an_earlier_database_are_found(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    conn = sqlite3.connect(path, isolation_level=None)
    for step in schema.STEPS[:5]:
        for statement in step.split(";"):
            conn.execute(statement)
    conn.execute("PRAGMA user_version = 5")
    for row in (replace(ROW, state="READY", samples=24000), replace(ROW, id="r2", document={}, call_id="c2")):
        _insert(conn, row)
    conn.close()
    database = Database.open(path)
    assert _found(database, number="4930123", min_seconds="3", text="first", state="READY") == ["r1"]
    assert _found(database) == ["r2", "r1"]
    database.close()


def _insert(conn: sqlite3.Connection, row: RecordingRow) -> None:
    """As an earlier callflow did: only the columns that there were."""
    columns = [column[1] for column in conn.execute("PRAGMA table_info(recordings)")]
    values = {**asdict(row), "document": json.dumps(row.document), "recovered": 0}
    marks = ", ".join("?" for _ in columns)
    conn.execute(f"INSERT INTO recordings VALUES ({marks})", [values[column] for column in columns])


# ---- filters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("created_from", "63930816000", {"started_from": 1763596800.0}),
        ("created_to", "63930816000", {"started_before": 1763596801.0}),
        ("created_to", "2025-11-20", {"started_before": 1763683200.0}),
        ("created_to", "2025-11-20T10:00+01:00", {"started_before": 1763629200.0}),
        ("number", " 4930 123", {"number": "4930123"}),
        ("number", "*+49(30)-123*", {"number": "*4930123*"}),
        ("number", "j.doe", {"number": "j.doe"}),
        ("state", " ready , failed,", {"states": ("READY", "FAILED")}),
        ("min_seconds", "1.5", {"min_seconds": 1.5}),
        ("text", "  Two  WORDS two ", {"text": ("two", "words")}),
        ("owner_id", "   ", {}),
    ],
)
def test_how_a_filter_is_read(name: str, text: str, expected: dict[str, Any]) -> None:
    assert with_filter(Filter(), name, text) == Filter(**expected)


@pytest.mark.parametrize(
    "name, text",
    [
        ("created_from", "1763629200"),
        ("created_from", "yesterday"),
        ("created_from", "9" * 30),
        ("created_to", "9999-12-31"),
        ("number", "*"),
        ("number", "*12"),
        ("number", "1*2"),
        ("state", "GONE"),
        ("min_seconds", "-1"),
        ("min_seconds", "nan"),
        ("text", "a b"),
        ("text", "x" * 201),
        ("text", "a\0b"),
        ("nothing", "1"),
    ],
)
def test_what_no_filter_can_be(name: str, text: str) -> None:
    with pytest.raises(BadFilter):
        with_filter(Filter(), name, text)


@pytest.mark.parametrize("text", ["", "1", "1.5_", "nan_1", "1e999_1", "1_2_3", "1_" + "9" * 19])
def test_what_no_key_is(text: str) -> None:
    with pytest.raises(BadFilter):
        Key.read(text)


# ---- the reader -----------------------------------------------------------------------------


def test_a_reader_sees_what_is_committed_and_cannot_write(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    reader = Reader(tmp_path / "x.db")
    for number in range(5):
        row = replace(ROW, id=f"r{number}")
        database.run(lambda conn: begin_recording(conn, row))  # noqa: B023
        assert reader.submit(lambda conn: get_recording(conn, row.id)).result() == row  # noqa: B023
    with pytest.raises(StorageError, match="readonly"):
        reader.submit(lambda conn: conn.execute("DELETE FROM recordings")).result()
    reader.close()
    with pytest.raises(StorageError, match="closed"):
        reader.submit(lambda conn: None)
    database.close()
