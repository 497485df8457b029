"""Rows of recordings, urls and deliveries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from callflow.errors import RecordingError, UnknownDelivery, UnknownRecording
from callflow.recording.recorder import OPEN, State
from callflow.state.database import Database
from callflow.state.records import (
    AttemptRow,
    DeliveryRow,
    RecordingRow,
    add_attempt,
    begin_recording,
    find_recording,
    finish_recording,
    get_delivery,
    get_recording,
    host_of,
    list_attempts,
    list_deliveries,
    list_recordings,
    open_recordings,
    release_url,
    reserve_url,
    update_recording,
)
from tests.state.erased import erased

ROW = RecordingRow(id="r1", call_id="c1", started_wall=5.0, rate=8000, samples=12000, document={"a": "ü"})
DELIVERY = DeliveryRow(
    id="d1",
    recording_id="r1",
    kind="http",
    url="http://user:pw@Host.example:81/p?q",
    file="outbox/r1.wav",
    content_type="audio/wav",
    sha256="00",
    bytes=3,
    created_wall=9.0,
)
NAMES = ["http://h/p/a.mp3", "http://h/p/a-2.mp3", "http://h/p/a-3.mp3"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "x.db")
    yield opened
    opened.close()


def test_begin_update_finish(database: Database) -> None:
    database.run(partial(begin_recording, row=ROW))
    assert database.run(partial(get_recording, recording_id="r1")) == ROW
    assert ROW.seconds == 1.5
    with pytest.raises(RecordingError, match="r1 already"):
        database.run(partial(begin_recording, row=replace(ROW, call_id="other")))
    database.run(partial(update_recording, recording_id="r1", state="MASKED"))
    assert database.run(partial(get_recording, recording_id="r1")).state == "MASKED"
    done = replace(ROW, state="READY", file="outbox/r1.wav", recovered=True)
    for _ in range(2):  # a recovery may commit it once more
        database.run(partial(finish_recording, row=done, delivery=DELIVERY))
    assert database.run(partial(get_recording, recording_id="r1")) == done
    (delivery,) = database.run(list_deliveries)
    assert delivery == replace(DELIVERY, host="host.example:81", since_wall=9.0)
    again = replace(DELIVERY, id="d2")
    database.run(partial(finish_recording, row=done, delivery=again))
    assert len(database.run(list_deliveries)) == 1, "the same recording to the same place is one delivery"


def test_what_is_under_way_is_found_without_a_look_at_all_that_ever_was(database: Database) -> None:
    for number, state in enumerate(State):
        row = replace(ROW, id=state, state=str(state), started_wall=float(number))
        database.run(partial(begin_recording, row=row))
    found = database.run(partial(open_recordings, before=1e9))
    assert {row.state for row in found} == OPEN
    assert [row.id for row in database.run(partial(open_recordings, before=found[1].started_wall))] == [
        found[0].id
    ]
    statements: list[str] = []

    def watched(conn: sqlite3.Connection) -> list[str]:
        conn.set_trace_callback(statements.append)
        open_recordings(conn, 1e9)
        conn.set_trace_callback(None)
        return [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]

    assert "USING INDEX recordings_open" in database.run(watched)[0]


def test_finish_without_begin(database: Database) -> None:
    database.run(partial(finish_recording, row=replace(ROW, state="READY"), delivery=None))
    assert database.run(partial(get_recording, recording_id="r1")).state == "READY"


def test_the_first_keeps_the_name_and_nobody_gets_it_twice(database: Database) -> None:
    def reserve(recording: str, names: list[str] = NAMES) -> str:
        return database.run(partial(reserve_url, candidates=iter(names), recording_id=recording))

    assert reserve("r1") == NAMES[0]
    assert reserve("r2") == NAMES[1]
    assert reserve("r1") == NAMES[0], "asked again: the same"
    secret = [name.replace("http://", "http://u:p@") for name in NAMES]
    assert reserve("r3", secret) == secret[2], "user and password don't make another place"
    database.run(partial(release_url, recording_id="r2"))
    assert reserve("r4") == NAMES[1]


@pytest.mark.parametrize(("state", "free"), [("DISCARDED", True), ("CANCELLED", True), ("READY", False)])
def test_a_url_that_is_never_used_is_free_again(database: Database, state: str, free: bool) -> None:
    database.run(partial(reserve_url, candidates=NAMES, recording_id="r1"))
    database.run(partial(finish_recording, row=replace(ROW, state=state), delivery=None))
    expected = NAMES[0] if free else NAMES[1]
    assert database.run(partial(reserve_url, candidates=NAMES, recording_id="r2")) == expected


def test_listing(database: Database) -> None:
    for number in range(5):
        row = RecordingRow(id=f"r{number}", call_id=f"c{number % 2}", started_wall=float(number))
        database.run(partial(begin_recording, row=row))
    database.run(partial(update_recording, recording_id="r4", state="READY"))
    assert [row.id for row in database.run(list_recordings)] == ["r4", "r3", "r2", "r1", "r0"]
    assert [row.id for row in database.run(partial(list_recordings, call_id="c1"))] == ["r3", "r1"]
    assert [row.id for row in database.run(partial(list_recordings, state="READY"))] == ["r4"]
    assert [row.id for row in database.run(partial(list_recordings, limit=2))] == ["r4", "r3"]
    assert database.run(partial(find_recording, recording_id="none")) is None
    with pytest.raises(UnknownRecording, match="none"):
        database.run(partial(get_recording, recording_id="none"))
    with pytest.raises(UnknownDelivery, match="none"):
        database.run(partial(get_delivery, delivery_id="none"))


def test_deleting(database: Database) -> None:
    database.run(partial(begin_recording, row=ROW))
    database.run(partial(reserve_url, candidates=NAMES, recording_id="r1"))
    with pytest.raises(RecordingError, match="still RECORDING"):
        database.run(partial(erased, recording_id="r1"))
    done = replace(ROW, state="READY", file="outbox/r1.wav")
    database.run(partial(finish_recording, row=done, delivery=DELIVERY))
    attempt = AttemptRow(delivery_id="d1", number=1, started_wall=1.0, seconds=0.5, outcome="fault")
    database.run(partial(add_attempt, row=attempt))
    assert database.run(partial(list_attempts, delivery_id="d1")) == [attempt]
    with pytest.raises(RecordingError, match="not delivered yet"):
        database.run(partial(erased, recording_id="r1"))
    proof = database.run(partial(erased, recording_id="r1", force=True))
    assert proof.files == ("outbox/r1.wav",)
    assert database.run(list_deliveries) == []
    assert database.run(partial(list_attempts, delivery_id="d1")) == []
    assert database.run(partial(reserve_url, candidates=NAMES, recording_id="r2")) == NAMES[0]


def test_hosts() -> None:
    assert host_of("http://u:p@H.example:81/p") == "h.example:81"
    assert host_of("https://h?x=http://other/") == "h"
    assert host_of("http://[2001:db8::1]:80/") == "[2001:db8::1]:80"


def test_a_late_note_does_not_undo_an_end(database: Database) -> None:
    database.run(lambda conn: begin_recording(conn, ROW))
    database.run(lambda conn: update_recording(conn, "r1", "MASKED"))
    assert database.run(lambda conn: get_recording(conn, "r1")).state == "MASKED"
    ready = replace(ROW, state="READY", finished_wall=9.0)
    database.run(lambda conn: finish_recording(conn, ready, None))
    database.run(lambda conn: update_recording(conn, "r1", "MASKED"))
    assert database.run(lambda conn: get_recording(conn, "r1")).state == "READY"
