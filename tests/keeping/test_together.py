"""Holds, deliveries, transcripts, webhooks, retention and a wrong clock together: what is owed stays here."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import pytest

from callflow.clock import VirtualClock, run_virtual
from callflow.delivery import outbox
from callflow.delivery.leftovers import forget_file, leftovers, let_go
from callflow.recording.erasing import erase
from callflow.recording.finish import Finisher
from callflow.recording.keeper import Keeper
from callflow.recording.orphans import sweep
from callflow.recording.recover import recover
from callflow.state import transcripts
from callflow.state.account_documents import put_account
from callflow.state.erasing import Why, hold, release_hold
from callflow.state.events import Message, message_row, read_message
from callflow.state.hooks import announce_recording
from callflow.state.lock import FileLock
from callflow.state.records import DeliveryRow, add_delivery, finish_recording, get_recording, list_deliveries
from callflow.state.retention import expired, oldest_erasable
from callflow.state.transcripts import TranscriptWish, discard_clip, want
from tests.keeping.support import DAY, House

SENT = ("", "QUEUED", "WAITING", "SENDING", "DELIVERED", "DEAD", "BLOCKED", "CANCELLED")
HEARD = ("", "WANTED", "RUNNING", "DONE", "FAILED")
TOLD = ("", "WAITING", "DELIVERED", "DEAD")
HOOK = {"uri": "http://crm.test/hook", "hook": "recording", "format": "json"}


def owed(sent: str, heard: str, told: str, *, held: bool, also_dead: bool) -> bool:
    """The rule, said once more."""
    file = sent in ("", "DELIVERED") or (also_dead and sent in ("DEAD", "CANCELLED"))
    return held or not file or heard in ("WANTED", "RUNNING") or told == "WAITING"


def test_nothing_that_is_owed_expires_or_makes_room(house: House) -> None:
    house.recording("like", delivery="QUEUED")
    every = [*enumerate(product(SENT, HEARD, TOLD, (False, True)))]

    def make(conn: sqlite3.Connection) -> None:
        like, (sent_like,) = get_recording(conn, "like"), list_deliveries(conn)
        conn.execute("DELETE FROM recordings")
        for number, (sent, heard, told, held) in every:
            id = f"r{number}"
            row = replace(like, id=id, finished_wall=house.now - 2 * DAY)
            delivery = replace(sent_like, id=f"d{number}", recording_id=id, url=f"http://x/{id}", state=sent)
            finish_recording(conn, row, delivery if sent else None)
            if heard:
                want(conn, id, TranscriptWish(f"t-{id}"), house.now)
                conn.execute("UPDATE transcripts SET state = ? WHERE recording_id = ?", (heard, id))
            if told:
                add_delivery(conn, replace(message_about(id), state=told))
            if held:
                hold(conn, id, reason="case", by="legal", wall=house.now)

    house.database.run(make)
    for also_dead in (False, True):
        house.rules(retention_days=1.0, quota_mb=1, quota_policy="oldest", erase_undelivered=also_dead)
        expected = {
            f"r{number}"
            for number, (sent, heard, told, held) in every
            if not owed(sent, heard, told, held=held, also_dead=also_dead)
        }
        assert set(house.database.run(lambda conn: expired(conn, house.now, 1000))) == expected
        room = house.database.run(lambda conn: oldest_erasable(conn, "acme", 1000))
        assert {id for id, _ in room} == expected
        assert 0 < len(expected) < len(every) / 4


def message_about(id: str) -> DeliveryRow:
    """A message that tells of the recording."""

    return message_row(Message("http://app.test/"), id=f"m-{id}", call_id="c", wall=1.0, recording_id=id)


def test_whoever_is_told_of_it_the_application_is_told_too(house: House) -> None:
    """One url for the account's webhook and the application's events: neither keeps the other away."""
    house.database.run(lambda conn: put_account(conn, "acme", {}, {"w": HOOK}))
    what = house.spool(id="rec-1", account_id="acme", event=Message(HOOK["uri"], "POST", {"size": None}))
    finisher = Finisher(house.folder, house.database)
    house.recording("rec-1", state="RECORDING", finished_wall=0.0, file="", account_id="acme")
    house.database.run(
        lambda conn: announce_recording(conn, get_recording(conn, "rec-1"), "started", fact="1")
    )

    for _ in range(2):
        recover(house.folder, finisher)
    sent = house.database.run(lambda conn: list_deliveries(conn, recording_id=what.id))
    bodies = [read_message(row)[0].body for row in sent]
    assert sorted(str(body.get("action")) for body in bodies) == ["None", "finished", "started"]
    assert [body["size"] for body in bodies if "size" in body] == [16044 * 2 - 44]


def test_a_webhook_that_waits_is_told_that_it_was_erased(house: House) -> None:
    hooks = {"w": HOOK, "other": {**HOOK, "uri": "http://other.test/"}}
    house.database.run(lambda conn: put_account(conn, "acme", {}, hooks))
    house.recording("rec-1", document={"from": "+15551234@x"})
    house.database.run(lambda conn: announce_recording(conn, get_recording(conn, "rec-1")))
    house.database.run(
        lambda conn: conn.execute("UPDATE deliveries SET state = 'DELIVERED' WHERE hook = 'other'")
    )
    erase(house.folder, house.database, "rec-1", why=Why.API, by="anna", wall=house.now, force=True)
    (row,) = house.database.run(list_deliveries)
    body = read_message(row)[0].body
    assert (row.hook, row.state, row.recording_id) == ("w", "QUEUED", "")
    assert (body["action"], body["reason"], body["recording_id"]) == ("erased", "api", "rec-1")
    assert "15551234" not in row.message


@pytest.mark.parametrize("why", ["held", "heard", "twice", "application"])
def test_a_delivered_file_stays_while_it_is_wanted_here(house: House, why: str) -> None:
    document = {"application_id": "app"} if why == "application" else {}
    path = house.recording("rec-1", delivery="DELIVERED", document=document)
    run = house.database.run
    if why == "held":
        run(partial(hold, recording_id="rec-1", reason="case", by="legal", wall=1.0))
    if why == "heard":
        run(partial(want, recording_id="rec-1", wish=TranscriptWish("t"), wall=1.0))
    if why == "twice":
        run(lambda conn: outbox.retry(conn, "d-rec-1", house.now))
    assert run(leftovers) == ([] if why == "twice" else ["d-rec-1"])
    assert run(partial(let_go, delivery_id="d-rec-1")) == ""
    assert path.exists()
    assert run(partial(get_recording, recording_id="rec-1")).file == "outbox/rec-1.wav"
    if why == "application":  # who has the recording_url fetches it; retention erases it
        assert run(leftovers) == []
        return
    run(lambda conn: conn.execute("UPDATE transcripts SET state = 'DONE'"))
    if why == "held":
        run(partial(release_hold, recording_id="rec-1", by="judge", wall=2.0))
    if why == "twice":
        run(lambda conn: conn.execute("UPDATE deliveries SET state = 'DELIVERED'"))
    assert run(partial(let_go, delivery_id="d-rec-1")) == "outbox/rec-1.wav"
    run(partial(forget_file, delivery_id="d-rec-1", file="outbox/rec-1.wav"))
    assert run(leftovers) == []


def test_a_clip_that_is_held_stays_and_no_other_leaves_its_sound(house: House) -> None:
    facts: dict[str, Any] = {"origin": "ncco input", "document": {"temporary": True}}
    held, other = house.recording("held", **facts), house.recording("other", **facts)
    house.database.run(partial(hold, recording_id="held", reason="case", by="legal", wall=1.0))
    gone = [
        house.database.run(partial(discard_clip, recording_id=id, root=house.folder.root))
        for id in ("held", "other")
    ]
    assert (gone, held.exists(), other.exists()) == ([False, True], True, False)
    assert house.database.run(partial(get_recording, recording_id="other")).state == "DISCARDED"


def test_sweep_waits_for_who_is_at_it_and_looks_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was put forward: what was named a moment ago looks a day old."""
    busy, late = house.folder.outbox / "busy.wav", house.recording("late")
    row = house.database.run(partial(get_recording, recording_id="late"))
    house.database.run(lambda conn: conn.execute("DELETE FROM recordings WHERE id = 'late'"))
    busy.write_bytes(b"x")
    for path in (busy, late):
        os.utime(path, (house.now - 2 * DAY,) * 2)
    lock = FileLock.try_acquire(house.folder.lock_of(house.folder.spool_of("busy")))
    assert lock is not None

    def is_listed_meanwhile(place: FileLock) -> FileLock | None:
        if place.name == "late.lock":  # type: ignore[attr-defined]
            house.database.run(lambda conn: finish_recording(conn, row, None))
        return real(place)  # type: ignore[arg-type]

    real = FileLock.try_acquire
    monkeypatch.setattr(FileLock, "try_acquire", is_listed_meanwhile)
    found = sweep(house.folder, house.database, house.now, remove=True)
    assert [(each.path, each.removed) for each in found.orphans] == [
        ("outbox/busy.wav", False),
        ("media/202609/late.wav", False),
    ]
    assert busy.exists() and late.exists()
    lock.release(remove=True)


class _Leaping(VirtualClock):
    """The machine's clock is ``ahead`` by so many seconds."""

    ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead


def test_nothing_expires_while_the_clock_is_wrong(house: House) -> None:
    house.rules(retention_days=1.0)
    house.recording("rec-1", age_days=0.5)
    clock = _Leaping(house.now)
    keeper = Keeper(house.folder, house.database, clock)

    async def main() -> list[int]:
        erased = []
        for ahead in (
            0.0,
            DAY,
            0.0,
            -DAY,
            0.0,
            DAY,
            DAY,
        ):  # at last it has stayed so for a round
            clock.ahead = ahead
            erased.append(len((await keeper.round()).erased))
        return erased

    assert run_virtual(main(), clock) == [0, 0, 0, 0, 0, 0, 1]


def test_a_start_with_a_clock_that_nobody_knows_erases_nothing(house: House) -> None:
    """Not at the first look, once the next one finds it so still."""
    house.rules(retention_days=1.0)
    for years, rounds in ((-1, [0]), (0, [2]), (1, [0, 1])):
        house.recording(f"rec{years}", age_days=2.0)
        clock = _Leaping(house.now + years * 365 * DAY)
        keeper = Keeper(house.folder, house.database, clock)

        async def main(keeper: Keeper = keeper, count: int = len(rounds)) -> list[int]:
            return [len((await keeper.round()).erased) for _ in range(count)]

        assert run_virtual(main(), clock) == rounds


def test_a_clock_that_is_put_back_holds_up_no_transcript(house: House) -> None:
    house.recording("rec-1")
    run = house.database.run
    run(partial(want, recording_id="rec-1", wish=TranscriptWish("t"), wall=1.0))
    row = run(partial(transcripts.claim, wall=house.now))
    assert row is not None
    run(partial(transcripts.again, id=row.id, next_wall=house.now + 60, error="", attempts=1))
    assert run(partial(transcripts.claim, wall=house.now)) is None
    assert run(partial(transcripts.claim, wall=house.now - DAY)) is not None
