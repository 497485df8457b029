"""Channels that several legs share, legs that come while a recording runs, and who a recording belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import AddLeg, PcmClip, PretendSource, RemoveLeg, Say, Side, TapPoint
from callflow.media.mixing import add_up
from callflow.media.taps import Samples
from callflow.media.wav import unfinished_header
from callflow.ncco.channels import SILENCE, ChannelPlan, Layout, layout_of
from callflow.recording.messages import MoveTaps
from callflow.recording.recover import recover
from callflow.recording.spool import AUDIO, JOURNAL, META, line_bytes, meta_bytes, read_spool
from callflow.state.events import Message, read_message
from callflow.state.records import get_recording, list_deliveries
from tests.recording.harness import Bench, ramp, spec

READ = Side.READ


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def both(*legs: str) -> TapPoint:
    """One channel of several legs."""
    first, *more = (TapPoint(leg, READ) for leg in legs)
    return TapPoint(first.leg, READ, tuple(more))


# ---- adding up -----------------------------------------------------------------------------------


def test_a_sum_is_the_sum_and_bends_where_it_is_loud() -> None:
    quiet = np.array([[1, -5, 20000], [2, -6, 4000]], np.int16)
    out = np.empty(3, np.int16)
    add_up(quiet, out)
    assert out.tolist() == [3, -11, 24000]
    steps = np.arange(-32768, 32768, 16).astype(np.int16)
    many = np.repeat(steps[None, :], 32, axis=0)
    loud = np.empty(len(steps), np.int16)
    add_up(many, loud)
    assert (np.diff(loud.astype(int)) >= 0).all() and abs(loud.astype(int)).max() < 32767
    alone = np.empty(len(steps), np.int16)
    add_up(steps[None, :], alone)
    assert (alone == steps).all()


@pytest.mark.parametrize("step", [0.01, 0.5])
def test_legs_share_a_channel_whatever_the_steps(bench: Bench, step: float) -> None:
    bench.leg("a", ramp(8000))
    bench.leg("b", ramp(8000, 2))
    bench.start(spec(taps=(both("a", "b"), TapPoint("b", READ), SILENCE, both("nobody", "a"))))
    bench.run(1.0, step)
    sound = bench.stopped_audio()
    expected = np.empty(8000, np.int16)
    add_up(np.stack([ramp(8000), ramp(8000, 2)]), expected)
    assert (sound[:, 0] == expected).all()
    assert (sound[:, 1] == ramp(8000, 2)).all()
    assert not sound[:, 2].any()
    assert (sound[:, 3] == ramp(8000)).all()


def test_live_ticks_give_the_same(tmp_path: Path) -> None:
    heard: list[Samples] = []

    class Ear:
        points = (both("a", "b"), TapPoint("a", READ), both("a", "gone"))
        rate = 8000
        wants_audio = True

        def horizon(self, block: Samples) -> int:
            return len(block[0])

        def commit(self, block: Samples, time: float) -> list[object]:
            heard.append(block.copy())
            return []

    pump = LivePump(ClipLoader())
    for leg, first in (("a", 1), ("b", 7)):
        pump.command(AddLeg(leg, 8000, PretendSource()))
        pump.command(Say(leg, (PcmClip(ramp(8000, first).tobytes(), 8000),)))
    ear = Ear()
    pump.attach(ear)
    for _ in range(100):
        pump.advance(1e9)
    pump.catch_up(ear)
    sound = np.concatenate(heard, axis=1)
    expected = np.empty(8000, np.int16)
    add_up(np.stack([ramp(8000), ramp(8000, 7)]), expected)
    assert (sound[0, :8000] == expected).all()
    assert (sound[1:, :8000] == ramp(8000)).all()


# ---- growing, and whose it is --------------------------------------------------------------------


def test_a_leg_that_comes_is_heard_from_that_sample_on(bench: Bench) -> None:
    bench.leg("a", ramp(16000))
    bench.start(replace(spec(taps=(TapPoint("a", READ), SILENCE)), leg=""))
    bench.run(0.53)
    bench.leg("b", ramp(8000))
    bench.do(MoveTaps("r1", (TapPoint("a", READ), TapPoint("b", READ))))
    bench.run(0.5)
    sound = bench.stopped_audio()
    begin = round(0.53 * 8000)
    assert not sound[:begin, 1].any()
    assert (sound[begin:, 1] == ramp(len(sound) - begin)).all()
    assert (sound[:, 0] == ramp(len(sound))).all()
    assert "moved" in bench.changes()


@pytest.mark.parametrize(("leg", "ends"), [(None, "a"), ("", ""), ("b", "b")])
def test_it_ends_with_the_leg_that_it_belongs_to(bench: Bench, leg: str | None, ends: str) -> None:
    for name in ("a", "b"):
        bench.leg(name, ramp(8000))
    bench.start(replace(spec(), leg=leg))
    for name in ("a", "b"):
        bench.run(0.2)
        bench.send(RemoveLeg(name))
    bench.run(0.1)
    if not ends:
        bench.stop()
    assert sorted(bench.changes()) == ["finishing", "started"]
    assert max(each.samples for each in bench.of()) == {"a": 1600, "b": 3200, "": 4000}[ends]


def test_its_owner_may_change(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.leg(name, ramp(8000))
    bench.start(replace(spec(), leg="a"))
    bench.do(MoveTaps("r1", (TapPoint("a", READ), TapPoint("b", READ)), "b"))
    bench.send(RemoveLeg("a"))
    bench.run(0.3)
    bench.send(RemoveLeg("b"))
    assert bench.of()[-1].reason == "hangup" and bench.of()[-1].samples == 2400


# ---- a crash -------------------------------------------------------------------------------------

TELLS = Message(
    "http://h.test/x",
    "POST",
    {"recording_url": "u", "size": None, "start_time": None},
    "app",
    "key",
    "secret",
)


def test_what_a_killed_process_leaves_is_told_of_too(bench: Bench) -> None:
    what = replace(spec(taps=(both("a", "b"), SILENCE), event=TELLS), leg="")
    folder = bench.folder.spool_of(what.id)
    folder.mkdir()
    bench.folder.lock_of(folder).touch()
    (folder / META).write_bytes(meta_bytes(what, 10.0))
    (folder / JOURNAL).write_bytes(line_bytes({"what": "started", "time": 12.0, "samples": 0}))
    (folder / AUDIO).write_bytes(unfinished_header(8000, 2) + np.ones((8000, 2), "<i2").tobytes())
    assert read_spool(folder).spec == what
    [finished] = recover(bench.folder, bench.finisher)
    assert (finished.state, finished.recovered) == ("READY", True)
    [row] = bench.database.run(list_deliveries)
    recording = bench.database.run(lambda conn: get_recording(conn, what.id))
    message, call_id = read_message(row)
    assert (row.id, row.kind, row.recording_id, call_id) == (finished.event_id, "event", "r1", "call-1")
    assert message.body == {
        "recording_url": "u",
        "size": recording.bytes,
        "start_time": "2026-09-21T14:13:22Z",
    }


def test_finishing_it_again_tells_nobody_twice(bench: Bench) -> None:
    bench.leg("a", ramp(8000))
    bench.start(spec(event=TELLS))
    bench.run(0.5)
    bench.stop()
    closed = bench.closed.get(timeout=10)
    bench.finisher.finish(closed)
    bench.finisher.finish(closed)
    assert len(bench.database.run(list_deliveries)) == 1


def test_a_discarded_or_cancelled_one_is_not_told_of(bench: Bench) -> None:
    bench.leg("a", ramp(8000))
    bench.start(spec(event=TELLS, min_s=10))
    bench.run(0.5)
    bench.stop()
    assert bench.finisher.finish(bench.closed.get(timeout=10)).state == "DISCARDED"
    assert bench.database.run(list_deliveries) == []


# ---- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "channels", "room", "found"),
    [
        (False, None, False, (Layout.MONO, 1)),
        (False, None, True, (Layout.ALL, 1)),
        (True, None, False, (Layout.SIDES, 2)),
        (True, 1, False, (Layout.MONO, 1)),
        (False, 2, False, (Layout.SIDES, 2)),
        (True, 2, True, (Layout.LEGS, 2)),
        (True, 3, False, (Layout.LEGS, 3)),
        (True, 99, False, (Layout.LEGS, 32)),
    ],
)
def test_layouts(split: bool, channels: int | None, room: bool, found: tuple[Layout, int]) -> None:
    assert layout_of(split=split, channels=channels, room=room) == found


def test_a_leg_keeps_its_channel_for_good() -> None:
    plan = ChannelPlan(Layout.LEGS, 3)
    assert [plan.join(leg) for leg in "abcde"] == [0, 1, 2, 2, 2]
    plan.forget("b")
    plan.forget("d")
    assert [plan.join(leg) for leg in "bcf"] == [1, 2, 2]
    assert plan.points() == (TapPoint("a", READ), TapPoint("b", READ), both("c", "e", "f"))
    plan.mute("a", True)
    plan.mute("c", True)
    assert plan.points() == (SILENCE, TapPoint("b", READ), both("e", "f"))
    plan.mute("c", False)
    plan.replaced("c", "z")
    assert plan.points()[2] == both("z", "e", "f")
    assert plan.join("z") == 2
