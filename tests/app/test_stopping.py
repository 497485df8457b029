"""Stopped from outside, or broken in the middle: recordings are finished, nothing stays open."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from callflow import app, keeping
from callflow.app import Engine
from callflow.channels.sim.read import parse_scenario
from callflow.clock import Clock, SystemClock, VirtualClock, run_virtual
from callflow.delivery.deliverer import Deliverer
from callflow.engine.flow import Flow
from callflow.errors import EncodeError, StorageError
from callflow.events import Event, RecordingChanged
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock
from callflow.state.records import list_recordings
from tests.app.harness import WALL, Stage, chain, node

RECORD = node("record_call", action="start", format="wav")
TALK = chain(RECORD, node("user", id="u"))
LONG = {"end_when_quiet_s": None, "max_duration_s": 600}


def ours() -> set[str]:
    """The threads of engines that are alive."""
    return {t.name for t in threading.enumerate() if t.name.startswith("callflow")}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_ends_the_call_and_finishes_its_recording(tmp_path: Path, stop: signal.Signals) -> None:
    flow = tmp_path / "flow.json"
    flow.write_text(json.dumps(TALK))
    words = [str(flow), "--state", str(tmp_path / "s"), "--realtime", "--hangup-after", "500", "-o", "json"]
    with subprocess.Popen(
        [sys.executable, "-m", "callflow", "run", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        while '"started"' not in process.stdout.readline():
            pass
        process.send_signal(stop)
        told, errors = process.communicate(timeout=10)
    assert process.returncode == 128 + stop
    assert errors.strip() in ("", "Aborted!", "Aborted.")
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["event"] for event in events].count("call.ended") == 1
    last = events[-1]
    assert (last["event"], last["change"], last["reason"]) == ("recording", "ready", "hangup")
    assert list((tmp_path / "s" / "spool").iterdir()) == []


def test_a_story_that_cannot_be_written_does_not_end_the_call(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    flow = tmp_path / "flow.json"
    flow.write_text(json.dumps(TALK))
    words = [str(flow), "--state", str(tmp_path / "s"), "--hangup-after", "1"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "callflow", "run", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "the call goes on" in done.stderr
    assert len(list((tmp_path / "s" / "media").rglob("*.wav"))) == 1


@pytest.mark.parametrize("virtual", [True, False])
def test_an_engine_that_is_closed_during_a_call_finishes_its_recordings(
    tmp_path: Path, virtual: bool
) -> None:
    events: list[Event] = []

    async def main(clock: Clock) -> None:
        engine = Engine(Stage(tmp_path).options(), clock)
        engine.bus.subscribe(events.append)
        await engine.start()
        call = asyncio.ensure_future(engine.place_call(parse_scenario(dict(LONG), Path()), Flow.parse(TALK)))
        await clock.sleep(0.7)
        await engine.close()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    if virtual:
        clock = VirtualClock(WALL)
        run_virtual(main(clock), clock)
    else:
        asyncio.run(main(SystemClock()))
    last = [event for event in events if isinstance(event, RecordingChanged)][-1]
    assert (last.change, last.reason) == ("ready", "shutdown")
    assert last.seconds >= 0.5
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("part", ["recover", "SpoolWriter", "Deliverer", "Database", "OutsideLoop"])
def test_a_start_that_fails_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise StorageError("no")

    before = ours(), open_files()
    if part == "Database":
        monkeypatch.setattr(Database, "open", broken)
    else:
        monkeypatch.setattr(app if hasattr(app, part) else keeping, part, broken)

    async def main() -> None:
        with pytest.raises(StorageError):
            await Engine(Stage(tmp_path, deliver=True).options(), SystemClock()).start()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    asyncio.run(main())
    assert (ours(), open_files()) == before


def test_a_part_that_cannot_be_closed_leaves_the_others_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Deliverer.close

    async def broken(deliverer: Deliverer) -> None:
        await close(deliverer)
        raise StorageError("no")

    before = ours(), open_files()
    monkeypatch.setattr(Deliverer, "close", broken)
    clock = VirtualClock(WALL)

    async def main() -> None:
        async with Engine(Stage(tmp_path, deliver=True).options(), clock):
            pass

    with pytest.raises(StorageError):
        run_virtual(main(), clock)
    assert (ours(), open_files()) == before


def test_a_listing_beside_a_live_call_takes_nothing(tmp_path: Path) -> None:
    """``recordings list`` and ``deliveries run`` on the folder of a call that is up."""
    seen: list[str] = []

    async def beside(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "callflow", *words, "--state", str(tmp_path), "-o", "json"),
            stdout=subprocess.PIPE,
        )
        told, _ = await process.communicate()
        assert process.returncode == 0
        return told.decode()

    async def main() -> None:
        clock = SystemClock()
        async with Engine(Stage(tmp_path).options(), clock) as engine:
            call = asyncio.ensure_future(engine.place_call(parse_scenario(LONG, Path()), Flow.parse(TALK)))
            await clock.sleep(0.3)
            seen.append(await beside("recordings", "list"))
            await beside("deliveries", "run", "--until-empty")
            (spool,) = StateFolder.open(tmp_path).spools()
            assert FileLock.try_acquire(StateFolder.open(tmp_path).lock_of(spool)) is None, "still its own"
            call.cancel()  # however long the others took
            await asyncio.gather(call, return_exceptions=True)

    asyncio.run(main())
    assert '"RECORDING"' in seen[0]
    database = Database.open(StateFolder.open(tmp_path).database)
    try:
        (row,) = database.run(list_recordings)
    finally:
        database.close()
    assert (row.state, row.recovered) == ("READY", False)
    assert list(StateFolder.open(tmp_path).spools()) == []


def test_a_failed_recording_that_is_deleted_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spool is kept for another try; deleting it takes that too."""

    def full(*_: object) -> None:
        raise EncodeError("no space")

    monkeypatch.setattr("callflow.recording.finish.encode", full)
    played = Stage(tmp_path).play(TALK, {**LONG, "caller": {"hangup_after": 2}})
    monkeypatch.undo()
    (recording,) = played.recordings
    assert recording.change == "failed"
    folder = StateFolder.open(tmp_path)
    assert len(list(folder.spools())) == 1
    words = ["recordings", "delete", recording.recording_id, "--state", str(tmp_path)]
    assert subprocess.run([sys.executable, "-m", "callflow", *words], check=False).returncode == 0
    assert list(folder.spool.iterdir()) == []
    again = Stage(tmp_path, seed=2).play(TALK, {**LONG, "caller": {"hangup_after": 1}})
    assert {one.recording_id for one in again.of(RecordingChanged)} == set(again.report.recordings)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_story_that_nobody_reads_to_its_end_stops_no_call(tmp_path: Path) -> None:
    flow = tmp_path / "flow.json"
    flow.write_text(json.dumps(TALK))
    words = [str(flow), "--state", str(tmp_path / "s"), "--hangup-after", "5"]
    with subprocess.Popen(
        [sys.executable, "-m", "callflow", "run", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()  # as | head does
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
    (kept,) = (tmp_path / "s" / "media").glob("*/*.wav")
    assert kept.stat().st_size > 5 * 16_000 and list((tmp_path / "s" / "spool").iterdir()) == []
