"""The recordings desk: what is asked of the recorder, where the file will go, which one is meant."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from callflow.channels.channel import DialTarget
from callflow.documents.accounts import Account
from callflow.engine.call import Call, RecordingHandle
from callflow.engine.recording_facts import moved_taps
from callflow.errors import CallGone
from callflow.events import RecordingChanged
from callflow.media.messages import Side, TapPoint
from callflow.recording.messages import (
    FileFormat,
    Mask,
    Pause,
    Resume,
    SilenceRule,
    StartOn,
    StartRecording,
    StopRecording,
    Target,
    Unmask,
)
from callflow.state import records
from tests.engine.fakes import Plan
from tests.engine.harness import HANGS_UP, World, record, world

URL = "http://receiver.example/recordings"
CALLER = "leg-call-1"


def recorded(here: World, *starts: dict[str, object], sleep_s: float = 10) -> list[RecordingHandle | None]:
    """Start recordings on an answered call, and let ``sleep_s`` go by."""
    handles: list[RecordingHandle | None] = []

    async def work(call: Call) -> None:
        handles.extend(
            [await call.record(record(call.settings, **data), origin="callflow : Main") for data in starts]
        )
        await call.sleep(sleep_s)

    here.with_call(work)
    return handles


# ---- the order ------------------------------------------------------------------------------


def test_the_spec_says_all_that_a_recording_is(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        recorded(
            here,
            {
                "url": URL,
                "method": "post",
                "format": "wav",
                "time_limit": 1200,
                "record_min_sec": 3,
                "record_sample_rate": 16000,
                "should_follow_transfer": False,
                "label": "sales",
                "media_name": "mine.mp3",
                "silence_detection": True,
                "silence_initial_timeout": 6000,
                "silence_final_timeout": 5,
                "silence_threshold": 300,
            },
        )
        [spec] = here.specs
        media = here.services.settings.media
        assert spec.taps == (TapPoint(CALLER, Side.READ), TapPoint(CALLER, Side.WRITE))
        assert (spec.call_id, spec.account_id, spec.rate) == ("call-1", "acc", 8000)
        assert (spec.time_limit_s, spec.min_s, spec.start) == (1200, 3, StartOn.NOW)
        assert spec.format == FileFormat("wav", 16000, media.mp3_bitrate_kbps, media.mp3_quality)
        assert spec.silence == SilenceRule(6000, 5000, 300, media.silence_detector, media.vad_mode)
        assert (spec.follow_transfer, spec.label, spec.media_name) == (False, "sales", "mine.mp3")
        assert spec.target == Target(
            "http", url=f"{URL}/call_recording_call-1.wav", method="post", reason="url of the node"
        )
        assert spec.origin == "callflow : Main"


def test_the_document_has_the_facts_of_kazoo(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        recorded(here, {"format": "mp3"})
        [spec] = here.specs
        assert spec.id.startswith("202511-")
        assert len(spec.id) == 7 + 32
        document = dict(spec.document)
        assert document.pop("name") == spec.media_name
        assert spec.media_name.endswith(".mp3")
        assert document.pop("description") == f"recording {spec.media_name}"
        assert document.pop("interaction_id").startswith("63930819200-")
        assert document.pop("custom_channel_vars")["Owner-ID"] == "u1"
        assert document == {
            "content_type": "audio/mpeg",
            "media_type": "mp3",
            "media_source": "recorded",
            "source_type": "callflow",
            "call_id": "call-1",
            "cdr_id": "202511-call-1",
            "from": "1001@localhost",
            "to": "2000@localhost",
            "request": "2000@localhost",
            "direction": "inbound",
            "caller_id_number": "1001",
            "caller_id_name": "Alice",
            "callee_id_number": "2000",
            "callee_id_name": "2000",
            "owner_id": "u1",
            "account_id": "acc",
            "origin": "callflow : Main",
        }


def test_mono_mixes_the_callers_leg(tmp_path: Path) -> None:
    with world(tmp_path, overrides={"media.record_stereo": False}) as here:
        recorded(here, {})
        assert here.specs[0].taps == (TapPoint(CALLER, Side.MIX),)


def test_a_module_may_say_what_is_recorded_where_and_what_ends_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        taps = tuple(TapPoint(CALLER, Side.READ) for _ in range(32))
        target = Target("local", reason="a message")

        async def work(call: Call) -> None:
            await call.record(
                record(call.settings, url=URL),
                origin="voicemail",
                taps=taps,
                target=target,
                dtmf_stop="#",
                document={"mailbox": "7", "owner_id": "u9"},
            )

        here.with_call(work)
        [spec] = here.specs
        assert (spec.taps, spec.target, spec.dtmf_stop, spec.origin) == (taps, target, "#", "voicemail")
        assert (spec.document["mailbox"], spec.document["owner_id"]) == ("7", "u9")


@pytest.mark.parametrize(
    ("flags", "start"),
    [
        ({}, StartOn.NOW),
        ({"record_on_answer": True}, StartOn.ANSWER),
        ({"record_on_bridge": True}, StartOn.BRIDGE),
        ({"record_on_answer": True, "record_on_bridge": True}, StartOn.BRIDGE),
    ],
)
def test_when_it_begins(tmp_path: Path, flags: dict[str, object], start: StartOn) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            handle = await call.record(record(call.settings, **flags), origin="x")
            assert handle is not None
            call.services.database.run(
                lambda conn: states.append(records.get_recording(conn, handle.id).state)
            )
            await call.answer()
            await call.bridge([DialTarget("device", "d2")], timeout_s=20)

        states: list[str] = []
        here.dialer.plans["d2"] = Plan(answer_s=5, end=(9, "NORMAL_CLEARING", 200))
        here.with_call(work, answer=False)
        [command] = here.media.commands(StartRecording)
        assert isinstance(command, StartRecording)
        assert (command.spec.start, command.answered, command.bridged) == (start, False, False)
        assert states == ["RECORDING" if start is StartOn.NOW else "WAITING"]
        begun = {StartOn.NOW: 0, StartOn.ANSWER: 0, StartOn.BRIDGE: 5}[start]
        assert [e.time for e in here.of(RecordingChanged) if e.change == "started"] == [begun]


def test_on_an_answered_and_bridged_call_it_is_told_so(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=5, end=(9, "NORMAL_CLEARING", 200))

        async def later(call: Call) -> None:
            await call.services.clock.sleep(7)
            await call.record(record(call.settings, record_on_bridge=True), origin="x")

        async def work(call: Call) -> None:
            call.spawn(later(call))
            await call.bridge([DialTarget("device", "d2")], timeout_s=20)

        here.with_call(work)
        [command] = here.media.commands(StartRecording)
        assert isinstance(command, StartRecording)
        assert (command.answered, command.bridged) == (True, True)
        assert next((e.time, e.change) for e in here.of(RecordingChanged)) == (7, "started")


def test_stop_while_waiting_cancels(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            handle = await call.record(record(call.settings, record_on_bridge=True), origin="x")
            assert handle is not None
            assert await call.stop_recording() == [handle.id]
            assert await handle.ended() == ("stopped", 0.0)
            assert await call.stop_recording() == []

        here.with_call(work)
        assert here.changes == [("waiting", ""), ("cancelled", "stopped")]


# ---- where it goes --------------------------------------------------------------------------


def test_the_second_recording_to_a_url_gets_the_next_free_name(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        recorded(here, {"url": URL}, {"url": URL + "/"}, {"url": URL, "format": "wav"})
        assert [spec.target.url for spec in here.specs] == [
            f"{URL}/call_recording_call-1.mp3",
            f"{URL}/call_recording_call-1-2.mp3",
            f"{URL}/call_recording_call-1.wav",
        ]
        rows = here.database.run(lambda conn: [row.url for row in records.list_recordings(conn)])
        assert sorted(rows) == sorted(spec.target.url for spec in here.specs)


def test_kazoos_query_parameters_do_not_make_a_taken_name_free(tmp_path: Path) -> None:
    with world(tmp_path, overrides={"media.call_recording.url_metadata": True}) as here:
        recorded(here, {"url": URL}, {"url": URL})
        assert [spec.target.url for spec in here.specs] == [
            f"{URL}/call_recording_call-1.mp3",
            f"{URL}/call_recording_call-1-2.mp3",
        ]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://h/{NOBODY}/x", "CF-RUN-URL"),
        ("ftp://h/x", "CF-DLV-001"),
        ("http://h/p#here", "CF-DLV-001"),
        ("nonsense", "CF-DLV-001"),
    ],
)
def test_a_url_that_cannot_be_used_costs_no_audio(tmp_path: Path, url: str, code: str) -> None:
    with world(tmp_path) as here:
        recorded(here, {"url": url})
        assert here.specs[0].target.kind == "local"
        assert ("error", code) in here.notices
        assert here.changes[0] == ("started", "")


@pytest.mark.parametrize("host", ["nonsense", "http://u:hunter/2@h", "couch.example:5984"])
def test_a_couchdb_that_cannot_be_used_costs_no_audio(tmp_path: Path, host: str) -> None:
    with world(tmp_path, overrides={"media.third_party_bigcouch_host": host}) as here:
        recorded(here, {})
        assert here.specs[0].target.kind == "local"
        assert here.notices == [("error", "CF-DLV-001")]
        assert "hunter" not in repr(here.events)


def test_no_secret_of_a_url_is_told(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        recorded(here, {"url": "http://me:hunter2@h/p?token=sesame#f"})
        told = repr(here.events)
        assert "hunter2" not in told
        assert "sesame" not in told


def test_without_a_url_it_is_kept_unless_that_is_switched_off(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        recorded(here, {})
        assert (here.specs[0].target.kind, here.specs[0].target.reason) == ("local", "media.store_recordings")
    (tmp_path / "off").mkdir()
    with world(tmp_path / "off", overrides={"media.store_recordings": False}) as here:
        assert recorded(here, {}) == [None]
        assert here.specs == []
        assert here.notices == [("warning", "CF-RUN-NOT-STORED")]


@pytest.mark.parametrize(
    ("account", "database"),
    [
        ("acc", "account-acc-202511"),
        ("0123456789abcdef0123456789abcdef", "account/01/23/456789abcdef0123456789abcdef-202511"),
        ("My Account!", "account-my-account-202511"),
    ],
)
def test_a_third_partys_couchdb(tmp_path: Path, account: str, database: str) -> None:
    host = "http://couch.example:5984"
    with world(
        tmp_path, account=Account.empty(account), overrides={"media.third_party_bigcouch_host": host}
    ) as here:
        recorded(here, {})
        target = here.specs[0].target
        assert (target.kind, target.url, target.database) == ("couchdb", host, database)


def test_a_media_id_in_use_gets_a_fresh_one_and_a_warning(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        recorded(here, {"media_id": "mine"}, {"media_id": "mine"})
        first, second = here.specs
        assert first.id == "mine"
        assert second.id.startswith("202511-")
        assert ("warning", "CF-RUN-MEDIA-ID") in here.notices


def test_a_database_that_cannot_be_written_is_told_and_the_call_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        def broken(conn: sqlite3.Connection) -> None:
            conn.execute("DROP TABLE recordings")

        here.database.run(broken)
        assert recorded(here, {}, sleep_s=5) == [None]
        assert here.notices == [("error", "CF-STO-000")]
        assert here.clock.now() == 5


# ---- which one ------------------------------------------------------------------------------


def test_stop_takes_the_latest_that_still_runs(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            for name in ("a", "b", "c"):
                await call.record(record(call.settings, media_id=name), origin="x")
            stopped.extend([await call.stop_recording() for _ in range(4)])

        stopped: list[list[str]] = []
        here.with_call(work)
        assert stopped == [["c"], ["b"], ["a"], []]
        assert [c.id for c in here.media.commands(StopRecording) if isinstance(c, StopRecording)] == list(
            "cba"
        )


def test_one_that_has_ended_by_itself_does_not_count(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            for name in ("a", "b"):
                await call.record(record(call.settings, media_id=name), origin="x")
            here.media.send(StopRecording("b", "time_limit"))
            await call.sleep(1)
            assert await call.stop_recording() == ["a"]

        here.with_call(work)
        assert here.changes[-2:] == [("finishing", "time_limit"), ("finishing", "stopped")]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"media_id": "a"}, ["a"]),
        ({"media_name": "two.mp3"}, ["b"]),
        ({"label": "sales"}, ["c"]),
        ({"label": "sales", "media_name": "one.mp3"}, ["a"]),
        ({"media_id": "nobody"}, []),
    ],
)
def test_stop_by_name(tmp_path: Path, selector: dict[str, str], expected: list[str]) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            for media_id, name, label in (
                ("a", "one.mp3", "sales"),
                ("b", "two.mp3", ""),
                ("c", "three.mp3", "sales"),
            ):
                await call.record(
                    record(call.settings, media_id=media_id, media_name=name, label=label), origin="x"
                )
            assert await call.stop_recording(**selector) == expected

        here.with_call(work)


def test_an_id_that_was_given_in_vain_still_picks_its_recording(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            for _ in range(2):
                await call.record(record(call.settings, media_id="mine"), origin="x")
            await call.record(record(call.settings), origin="x")
            fresh = here.specs[1].id
            assert fresh != "mine"
            assert [await call.stop_recording(media_id="mine") for _ in range(3)] == [[fresh], ["mine"], []]

        here.with_call(work)


def test_mask_unmask_pause_resume(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            for name in ("a", "b"):
                await call.record(record(call.settings, media_id=name), origin="x")
            assert await call.mask() == ["b"]
            assert await call.unmask() == ["b"]  # mask does not use a recording up
            assert await call.pause(media_id="a") == ["a"]
            await call.sleep(1)
            rows = here.database.run(lambda conn: records.get_recording(conn, "a").state)
            assert rows == "PAUSED"
            assert await call.resume(media_id="a") == ["a"]
            assert await call.mask(label="nobody") == []

        here.with_call(work)
        commands = [c for _, c in here.media.sent if isinstance(c, Mask | Unmask | Pause | Resume)]
        assert commands == [Mask("b"), Unmask("b"), Pause("a"), Resume("a")]
        assert [e.change for e in here.of(RecordingChanged)] == [
            "started",
            "started",
            "masked",
            "unmasked",
            "paused",
            "resumed",
            "finishing",
            "finishing",
        ]


# ---- the end --------------------------------------------------------------------------------


def test_the_run_waits_until_nothing_is_recorded_any_more(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        handles = recorded(here, {}, {}, sleep_s=10)
        assert [handle.over for handle in handles if handle] == [True, True]
        assert here.changes[-2:] == [("finishing", "hangup")] * 2
        assert here.of(RecordingChanged)[-1].seconds == 10


def test_ended_gives_reason_and_seconds(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            handle = await call.record(record(call.settings), origin="x")
            assert handle is not None
            await call.sleep(2.5)
            await call.stop_recording(reason="digit")
            assert await handle.ended() == ("digit", 2.5)

        here.with_call(work)
        assert here.notices == []


def test_the_caller_leaves_first(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.caller_does(4, HANGS_UP)
        recorded(here, {})
        assert here.changes == [("started", ""), ("finishing", "hangup")]
        assert here.of(RecordingChanged)[-1].seconds == 4


@pytest.mark.parametrize("side", list(Side))
def test_moving_a_tap_twice_between_the_same_legs_brings_it_back(side: Side) -> None:
    tap = TapPoint("a", side)
    there = moved_taps((tap,), "a", "b")
    assert there[0].leg == "b"
    assert moved_taps(there, "b", "a") == (tap,)
    assert moved_taps((replace(tap, leg="c"),), "a", "b") == (TapPoint("c", side),)


def test_a_caller_who_leaves_while_the_database_is_asked_is_not_recorded(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        ask = here.services.database.submit

        def slow(action: Callable[[sqlite3.Connection], object]) -> Future[object]:
            loop = asyncio.get_running_loop()

            def act(conn: sqlite3.Connection) -> object:
                answer = action(conn)
                loop.call_soon_threadsafe(here.caller.happen, HANGS_UP)
                return answer

            return ask(act)

        async def work(call: Call) -> None:
            with mock.patch.object(here.services.database, "submit", slow), pytest.raises(CallGone):
                await call.record(record(call.settings, url=URL), origin="callflow : Main")

        here.with_call(work)
        assert here.media.commands(StartRecording) == []
        (row,) = here.services.database.run(records.list_recordings)
        assert (row.state, row.reason) == ("CANCELLED", "hangup")
        taken = here.services.database.run(lambda conn: records.reserve_url(conn, [row.url], "other"))
        assert taken == row.url, "its url is free again"
