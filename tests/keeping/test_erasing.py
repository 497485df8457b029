"""A recording is erased whole, with proof; one that is held is not; what was cut off is finished."""

from __future__ import annotations

import sqlite3
from functools import partial

import numpy as np
import pytest

from callflow.errors import NotErasable, RecordingError, RecordingHeld, StorageError, UnknownRecording
from callflow.media.peaks import Peaks
from callflow.recording.erasing import erase, finish_erasing
from callflow.recording.finish import Finisher
from callflow.recording.peaks import keep_peaks
from callflow.recording.recover import recover
from callflow.state.erasing import (
    Proof,
    Why,
    hold,
    hold_of,
    list_holds,
    list_proofs,
    mark_erased,
    release_hold,
)
from callflow.state.lock import FileLock
from callflow.state.records import RecordingRow, begin_recording
from tests.keeping.support import House


def gone(house: House, id: str, *, force: bool = False) -> Proof:
    return erase(house.folder, house.database, id, why=Why.API, by="anna", wall=house.now, force=force)


def tables(conn: sqlite3.Connection, id: str) -> dict[str, int]:
    """Rows of each table that name this recording, in whatever column, but for those that shall stay."""
    found = {}
    for (table,) in conn.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'library_words%'"
    ).fetchall():
        if table in ("erased", "holds"):
            continue
        columns = [row[1] for row in conn.execute(f"PRAGMA table_info({table})")]
        where = " OR ".join(f"{column} LIKE ?" for column in columns)
        count = conn.execute(f"SELECT count(*) FROM {table} WHERE {where}", [f"%{id}%"] * len(columns))
        found[table] = count.fetchone()[0]
    return {table: count for table, count in found.items() if count}


def test_everything_goes_and_a_proof_stays(house: House) -> None:
    path = house.recording("rec-1", delivery="DELIVERED")
    house.recording("rec-2")
    drawn = Peaks(np.zeros((1, 4, 2), np.int8))
    house.database.run(lambda conn: keep_peaks(conn, "rec-1", "x", drawn, house.now))
    assert set(house.database.run(partial(tables, id="rec-1"))) >= {
        "recordings",
        "deliveries",
        "urls",
        "peaks",
    }
    proof = gone(house, "rec-1")
    assert not path.exists()
    assert house.database.run(partial(tables, id="rec-1")) == {}
    assert house.left() == {"rec-2"}
    (kept,) = house.database.run(list_proofs)
    assert kept == proof
    assert (kept.recording_id, kept.call_id, kept.account_id) == ("rec-1", "call-rec-1", "acme")
    assert (kept.bytes, kept.seconds, len(kept.sha256)) == (5, 2.0, 64)
    assert (kept.why, kept.by_whom, kept.wall, kept.done_wall) == ("api", "anna", house.now, house.now)
    assert kept.files == ("outbox/rec-1.wav",)
    assert len(kept.copies) == 1
    assert "hunter2" not in kept.copies[0]
    assert list(house.folder.spool.iterdir()) == [], "no lock stays"
    with pytest.raises(UnknownRecording):
        gone(house, "rec-1")


def test_what_waits_or_is_made_is_not_erased_unless_forced(house: House) -> None:
    path = house.recording("rec-1", delivery="WAITING")
    with pytest.raises(NotErasable, match="not delivered yet"):
        gone(house, "rec-1")
    assert path.exists()
    gone(house, "rec-1", force=True)
    assert not path.exists()
    house.database.run(lambda conn: begin_recording(conn, RecordingRow(id="rec-2", call_id="c")))
    with pytest.raises(NotErasable, match="still RECORDING"):
        gone(house, "rec-2")
    lock = FileLock.try_acquire(house.folder.lock_of(house.folder.spool_of("rec-2")))
    assert lock is not None
    with pytest.raises(NotErasable, match="at this moment"):  # it would be back when it ends
        gone(house, "rec-2", force=True)
    lock.release(remove=True)
    gone(house, "rec-2", force=True)
    assert house.left() == set()


def test_nobody_erases_what_is_held(house: House) -> None:
    path = house.recording("rec-1")
    lay = partial(hold, recording_id="rec-1", reason="case 4711", by="legal", wall=house.now)
    house.database.run(lay)
    for force in (False, True):
        with pytest.raises(RecordingHeld, match="legal: case 4711"):
            gone(house, "rec-1", force=force)
    assert path.exists()
    with pytest.raises(RecordingError, match="held already"):
        house.database.run(lay)
    with pytest.raises(RecordingError, match="needs a reason"):
        house.database.run(partial(hold, recording_id="rec-1", reason=" ", by="x", wall=0.0))
    house.database.run(partial(release_hold, recording_id="rec-1", by="judge", wall=house.now + 1))
    assert house.database.run(partial(hold_of, recording_id="rec-1")) is None
    with pytest.raises(RecordingError, match="is not held"):
        house.database.run(partial(release_hold, recording_id="rec-1", by="judge", wall=house.now))
    gone(house, "rec-1")
    (past,) = house.database.run(partial(list_holds, also_released=True))
    assert (past.reason, past.by_whom, past.released_by) == ("case 4711", "legal", "judge")


def test_a_failed_recording_goes_with_its_spool(house: House) -> None:
    house.spool(id="rec-1")
    house.recording("rec-1", state="FAILED", file="", bytes=0)
    gone(house, "rec-1")
    assert list(house.folder.spool.iterdir()) == []
    assert recover(house.folder, Finisher(house.folder, house.database)) == []
    assert house.left() == set()


def test_files_that_cannot_go_are_tried_again(house: House) -> None:
    path = house.recording("rec-1")
    path.unlink()
    path.mkdir()  # unlink(2) refuses a folder
    with pytest.raises(StorageError, match="cannot be removed"):
        gone(house, "rec-1")
    assert house.left() == set(), "nobody finds it any more"
    with pytest.raises(RecordingError, match="erased"):  # its id would give it the same file
        house.database.run(lambda conn: begin_recording(conn, RecordingRow(id="rec-1", call_id="c")))
    assert finish_erasing(house.folder, house.database, house.now) == []
    path.rmdir()
    (proof,) = finish_erasing(house.folder, house.database, house.now + 9)
    assert (proof.recording_id, proof.done_wall) == ("rec-1", house.now + 9)
    house.database.run(lambda conn: begin_recording(conn, RecordingRow(id="rec-1", call_id="c")))


def test_recovery_finishes_no_spool_of_what_is_erased(house: House) -> None:
    house.spool(id="rec-1")
    house.recording("rec-1", state="FAILED", file="", bytes=0)
    house.database.run(
        partial(mark_erased, recording_id="rec-1", why=Why.CLI, by="x", wall=1.0)
    )  # and then it died
    assert recover(house.folder, Finisher(house.folder, house.database)) == []
    assert house.left() == set()
    assert house.database.run(list_proofs)[0].done_wall > 0


def test_proofs_come_in_pages(house: House) -> None:
    for number in range(5):
        house.recording(f"rec-{number}", account_id=f"account-{number % 2}")
        gone(house, f"rec-{number}")
    seen: list[str] = []
    before = None
    while page := house.database.run(partial(list_proofs, limit=2, before=before)):
        assert len(page) <= 2
        seen += [proof.recording_id for proof in page]
        before = page[-1].n
    assert seen == ["rec-4", "rec-3", "rec-2", "rec-1", "rec-0"]
    mine = house.database.run(partial(list_proofs, account_id="account-1"))
    assert [proof.recording_id for proof in mine] == ["rec-3", "rec-1"]
