"""The engine beside the happy way: what a crash left, a full disk, a cancelled call, a listener at fault."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import numpy as np
import pytest

from callflow.app import Engine
from callflow.channels.sim.read import parse_scenario
from callflow.clock import SystemClock, VirtualClock, run_virtual
from callflow.engine.flow import Flow
from callflow.errors import NoFlow
from callflow.events import CallEnded, Event, RecordingChanged
from callflow.media.messages import Side, TapPoint
from callflow.recording.messages import FileFormat, RecordingSpec, StartOn, Target
from callflow.recording.spoolfile import SpoolFile
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from tests.app.harness import WALL, Played, Stage, chain, node, tone

RECORD = node("record_call", action="start", format="wav")
TALK = chain(RECORD, node("user", id="u"))
SHORT = {"caller": {"audio": tone(440, 1), "hangup_after": 2}, "callee": {"answer_after": 1}}


def abandoned(state: Path) -> RecordingSpec:
    """A spool with half a second of sound, whose writer is gone."""
    folder = StateFolder.open(state)
    spec = RecordingSpec(
        id="202611-" + "a" * 32,
        call_id="lost",
        account_id="account",
        taps=(TapPoint("lost", Side.READ),),
        rate=8000,
        start=StartOn.NOW,
        time_limit_s=60,
        min_s=0,
        silence=None,
        format=FileFormat("wav", 0, 32, 5),
        follow_transfer=True,
        target=Target("local"),
        origin="test",
        requested_wall=WALL,
    )
    writer = SpoolWriter(folder, patient=True)
    spool = writer.open(spec, 0.0, lambda closed: None)
    writer.note(spool, {"what": "started", "time": 0.0, "samples": 0})
    writer.append(spool, np.full((4000, 1), 1000, np.int16), 0)
    writer.close()
    return spec


def test_what_a_crash_left_is_finished_at_the_start_and_told(tmp_path: Path) -> None:
    spec = abandoned(tmp_path)
    played = Stage(tmp_path).play(TALK, SHORT)
    recovered = next(event for event in played.of(RecordingChanged) if event.recording_id == spec.id)
    assert (recovered.change, recovered.seconds, recovered.call_id) == ("ready", 0.5, "lost")
    assert played.events[0] is recovered
    assert recovered.file is not None
    assert (tmp_path / recovered.file).is_file()
    assert list(played.report.recordings) != [spec.id], "it is not of this call"


def test_a_second_engine_on_the_folder_leaves_the_first_ones_recordings(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    events: list[Event] = []

    async def main() -> Played:
        clock = SystemClock()  # a virtual clock is one engine's
        async with Engine(stage.options(), clock) as first:
            call = asyncio.ensure_future(
                first.place_call(parse_scenario({"caller": {"hangup_after": 0.8}}, Path()), Flow.parse(TALK))
            )
            await clock.sleep(0.3)
            second = Engine(stage.options(), clock)
            second.bus.subscribe(events.append)
            async with second:
                pass
            assert not call.done()
            return Played(await call, [], tmp_path)

    played = asyncio.run(main())
    assert events == []
    assert played.recordings[0].change == "ready"
    assert played.recordings[0].seconds == pytest.approx(0.8, abs=0.1)


def test_a_full_disk_costs_the_recording_and_not_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = SpoolFile.append

    def full(self: SpoolFile, frames: np.ndarray[tuple[int, int], np.dtype[np.int16]]) -> None:
        if self.samples >= 8000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, frames)

    monkeypatch.setattr(SpoolFile, "append", full)
    played = Stage(tmp_path).play(TALK, {**SHORT, "caller": {"hangup_after": 5}})
    assert played.of(CallEnded)[0].duration == 5.0
    last = played.recordings[0]
    assert (last.change, last.reason) == ("ready", "disk_full")
    assert last.message.startswith("the disk of the state folder is full")
    assert len(played.sound()[0]) == 8000, "what was written until then is kept"


def test_a_call_that_is_cancelled_hangs_up_and_keeps_its_recording(tmp_path: Path) -> None:
    clock = VirtualClock(WALL)
    events: list[Event] = []

    async def main() -> None:
        engine = Engine(Stage(tmp_path).options(), clock)
        engine.bus.subscribe(events.append)
        async with engine:
            call = asyncio.ensure_future(
                engine.place_call(
                    parse_scenario({"end_when_quiet_s": None, "max_duration_s": 60}, Path()), Flow.parse(TALK)
                )
            )
            await clock.sleep(3)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run_virtual(main(), clock)
    last = [event for event in events if isinstance(event, RecordingChanged)][-1]
    assert (last.change, last.seconds) == ("ready", 3.0)


def test_a_listener_that_raises_is_heard_and_nothing_hangs(tmp_path: Path) -> None:
    clock = VirtualClock(WALL)

    def listener(event: Event) -> None:
        if isinstance(event, RecordingChanged) and event.change == "ready":
            raise ZeroDivisionError("a bug of the listener")

    async def main() -> None:
        engine = Engine(Stage(tmp_path).options(), clock)
        engine.bus.subscribe(listener)
        async with engine:
            await engine.place_call(parse_scenario(dict(SHORT), Path()), Flow.parse(TALK))

    with pytest.raises(ZeroDivisionError):
        run_virtual(main(), clock)


def test_a_number_without_a_flow_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NoFlow, match="2000") as caught:
        Stage(tmp_path).play(None, SHORT)
    assert "--to" in caught.value.hint


def test_flows_are_found_by_number_with_what_their_pattern_catches(tmp_path: Path) -> None:
    target = {"patterns": ["^9(?<who>\\d+)$"], "flow": node("play", id="silence_stream://10")}
    stage = Stage(tmp_path, flows={"by-pattern": target})
    played = stage.play(None, {"to": "9123"})
    assert played.modules() == ["play"]


def test_calls_one_after_the_other_share_an_engine(tmp_path: Path) -> None:
    clock = VirtualClock(WALL)

    async def main() -> list[float]:
        lengths = []
        async with Engine(Stage(tmp_path).options(), clock) as engine:
            for seconds in (1, 2, 3):
                await clock.sleep(1000)  # nothing sounds meanwhile
                scenario = parse_scenario({"caller": {"hangup_after": seconds}, "callee": {}}, Path())
                report = await engine.place_call(scenario, Flow.parse(TALK))
                lengths.append(next(iter(report.recordings.values())).seconds)
        return lengths

    assert run_virtual(main(), clock) == [1.0, 2.0, 3.0]
