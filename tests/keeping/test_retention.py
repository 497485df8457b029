"""What has had its time goes, what is held or not delivered stays; quotas refuse or let the oldest go."""

from __future__ import annotations

import os
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.accounts import Account
from callflow.documents.settings import load_settings
from callflow.engine.flow import Flow
from callflow.errors import QuotaReached
from callflow.recording import expiry
from callflow.recording.expiry import tidy
from callflow.recording.orphans import sweep
from callflow.state.erasing import hold, list_proofs
from callflow.state.quota import WHOLE_FOLDER, refuse_if_full, room_of, used_bytes
from callflow.state.records import list_recordings
from callflow.state.retention import expires_at
from tests.keeping.support import DAY, House
from tests.modules.stage import Stage, caller, node

MB = b"x" * 1_000_000


def test_days_of_the_account(house: House) -> None:
    house.rules(retention_days=30.0)
    old = house.recording("old", age_days=30.0)
    house.recording("young", age_days=29.9)
    house.recording("foreign", age_days=400.0, account_id="other")
    house.recording("held", age_days=31.0)
    house.recording("message", age_days=31.0, origin="voicemail")
    house.recording("greeting", age_days=31.0, origin="voicemail greeting")
    house.recording("failed", age_days=31.0, state="FAILED")
    house.recording("delivered", age_days=31.0, delivery="DELIVERED")
    for state in ("QUEUED", "WAITING", "SENDING", "DEAD", "BLOCKED", "CANCELLED"):
        house.recording(state.lower(), age_days=31.0, delivery=state)
    house.database.run(partial(hold, recording_id="held", reason="r", by="b", wall=house.now))
    assert house.database.run(partial(expires_at, recording_id="young")) == pytest.approx(
        house.now + 0.1 * DAY
    )
    assert house.database.run(partial(expires_at, recording_id="held")) is None
    done = tidy(house.folder, house.database, house.now)
    assert {proof.recording_id for proof in done.erased} == {"old", "delivered"}
    assert {proof.why for proof in done.erased} == {"retention"}
    assert not old.exists()
    house.rules(retention_days=30.0, erase_undelivered=True)
    done = tidy(house.folder, house.database, house.now)
    assert {proof.recording_id for proof in done.erased} == {"dead", "cancelled"}
    house.rules(retention_days=0)
    assert tidy(house.folder, house.database, house.now + 999 * DAY).erased == ()


def test_days_of_an_application(house: House) -> None:
    house.rules(ttl={"app": 2.0}, retention_days=0.0)
    house.recording("of-app", age_days=2.5, document={"application_id": "app"})
    house.recording("of-other-app", age_days=2.5, document={"application_id": "app2"})
    house.recording("of-none", age_days=2.5)
    assert house.database.run(partial(expires_at, recording_id="of-app")) == house.now - 0.5 * DAY
    tidy(house.folder, house.database, house.now)
    assert house.left() == {"of-other-app", "of-none"}


def test_many_go_in_one_round(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH", 3)
    house.rules(retention_days=1.0)
    for number in range(7):
        house.recording(f"r{number}", age_days=2.0)
    assert len(tidy(house.folder, house.database, house.now).erased) == 7


def test_the_oldest_make_room(house: House) -> None:
    house.rules(quota_mb=2, quota_policy="oldest")
    for age in (1, 2, 3, 4):
        house.recording(f"day-{age}", age_days=age, content=MB)
    house.database.run(partial(hold, recording_id="day-4", reason="r", by="b", wall=house.now))
    done = tidy(house.folder, house.database, house.now)
    assert [(proof.recording_id, proof.why) for proof in done.erased] == [
        ("day-3", "quota"),
        ("day-2", "quota"),
    ]
    assert done.full == ()
    house.recording("waits", content=MB, delivery="WAITING")
    house.database.run(partial(hold, recording_id="day-1", reason="r", by="b", wall=house.now))
    (words,) = tidy(house.folder, house.database, house.now).full
    assert words.startswith("account acme has 3.0 MB of recordings, of 2 MB, and none of them may be erased")


def test_no_recording_begins_where_there_is_no_room(house: House) -> None:
    house.rules(quota_mb=1, quota_policy="refuse")
    house.recording("first", content=MB[:-1])
    house.database.run(lambda conn: refuse_if_full(conn, "acme"))
    house.recording("second", content=b"x")
    with pytest.raises(QuotaReached, match=r"account acme has 1\.0 MB of recordings, of 1 MB"):
        house.database.run(lambda conn: refuse_if_full(conn, "acme"))
    house.database.run(lambda conn: refuse_if_full(conn, "other"))
    assert tidy(house.folder, house.database, house.now).erased == (), "the policy erases nothing"
    house.rules(WHOLE_FOLDER, quota_mb=1, quota_policy="refuse")
    with pytest.raises(QuotaReached, match="the state folder has"):
        house.database.run(lambda conn: refuse_if_full(conn, "other"))
    assert house.database.run(room_of).used == 1_000_000


def test_a_call_goes_on_without_its_recording(tmp_path: Path) -> None:
    """The account's own document; a call of 70 seconds takes more than a megabyte."""
    document = {"recordings": {"quota_mb": 1}}
    stage = Stage(tmp_path / "state", Account("acme", document=document))
    flow = node(
        "answer",
        then=node("record_call", {"action": "start", "format": "wav"}, then=node("sleep", {"duration": 70})),
    )
    first = stage.run(flow, Scenario(caller=caller(leaves=70.0)))
    assert [row.state for row in first.rows] == ["READY"]
    second = stage.run(flow, Scenario(caller=caller(leaves=5.0)))
    assert second.rows == ()
    (notice,) = second.notices("error")
    assert (notice.code, "sleep" in second.modules) == ("CF-REC-008", True)


@pytest.mark.parametrize("days", [0.5, 30])
def test_an_application_lets_its_recordings_go_in_virtual_time(tmp_path: Path, days: float) -> None:
    """Thirty days is what an application says without a word of it."""
    document = {"name": "app", **({} if days == 30 else {"recording_ttl_days": days})}
    account = Account("acme", documents={"application": {"app": document}})
    flow = Flow.parse(
        node("answer", then=node("record_call", {"action": "start"}, then=node("sleep", {"duration": 5})))
    )
    clock = VirtualClock(1_790_000_000.0)

    async def live() -> tuple[int, int]:
        options = EngineOptions(state=tmp_path, settings=load_settings(), account=account, deliver=False)
        async with Engine(options, clock) as engine:
            engine.keeping.keep_tidy()
            await engine.place_call(Scenario(caller=caller(leaves=5.0)), flow)
            with clock.external():
                await engine.database.arun(
                    lambda conn: conn.execute(
                        "UPDATE recordings SET document = json_set(document, '$.application_id', 'app')"
                    )
                )
            await clock.sleep((days - 0.1) * DAY)
            before = len(await engine.database.arun(list_recordings))
            await clock.sleep(0.2 * DAY)
            return before, len(await engine.database.arun(list_recordings))

    assert run_virtual(live(), clock) == (1, 0)


def test_orphans_are_told_and_only_old_ones_go(house: House) -> None:
    known = house.recording("known")
    lost = house.recording("lost")
    lost.unlink()
    old, young = house.folder.media / "202609/old.wav", house.folder.outbox / "young.mp3"
    spool = house.folder.spool_of("nobody")
    spool.mkdir()
    (spool / "audio.wav").write_bytes(b"x" * 5000)
    for path in (old, young):
        path.write_bytes(b"abc")
    for path in (old, known, spool / "audio.wav", spool):
        os.utime(path, (house.now - 2 * DAY, house.now - 2 * DAY))
    os.utime(young, (house.now - 60, house.now - 60))
    found = sweep(house.folder, house.database, house.now)
    facts = {(each.path, each.kind, each.bytes, each.removed) for each in found.orphans}
    assert facts == {
        ("outbox/young.mp3", "file", 3, False),
        ("media/202609/old.wav", "file", 3, False),
        ("spool/nobody", "spool", 5000, False),
    }
    assert found.missing == (("lost", "media/202609/lost.wav"),)
    assert old.exists()
    found = sweep(house.folder, house.database, house.now, remove=True)
    assert {each.path for each in found.orphans if each.removed} == {"media/202609/old.wav", "spool/nobody"}
    assert (old.exists(), spool.exists(), young.exists(), known.exists()) == (False, False, True, True)
    assert house.database.run(list_proofs) == [], "what nobody knew has no proof"


def test_the_room_that_is_taken_is_counted_whoever_writes(house: House) -> None:
    for number in range(4):
        house.recording(f"r{number}", content=b"x" * 10**number, account_id=f"a{number % 2}")

    def change(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE recordings SET file = '' WHERE id = 'r0'")  # delivered, and removed here
        conn.execute("UPDATE recordings SET bytes = 50 WHERE id = 'r1'")
        conn.execute("UPDATE recordings SET account_id = 'a1' WHERE id = 'r2'")
        conn.execute("DELETE FROM recordings WHERE id = 'r3'")
        conn.execute("UPDATE recordings SET label = 'x'")

    house.database.run(change)
    used = [house.database.run(partial(used_bytes, account_id=name)) for name in ("a0", "a1", "", "none")]
    assert used == [0, 150, 150, 0]
