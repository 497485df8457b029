"""Taps served now and then hear and say the same as taps served with each block, whatever happens between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.errors import MediaError
from callflow.media.clips import ClipLoader
from callflow.media.lazy import SERVE_TICKS
from callflow.media.live import LivePump
from callflow.media.messages import (
    AddLeg,
    Bridge,
    LegCommand,
    Press,
    PretendSource,
    RemoveLeg,
    Say,
    Side,
    TapPoint,
)
from callflow.media.pump import Pump
from callflow.media.taps import Samples
from callflow.recording.messages import Mask, Pause, Resume, SilenceRule, Unmask
from tests.media.listening import RATE, KeepingTap, clip, noise, stereo
from tests.media.test_steps import LEGS, scripts
from tests.recording.harness import Bench, ramp, spec


def run(
    pump: Pump, script: list[tuple[int, LegCommand]], every: int
) -> tuple[list[Samples], list[tuple[float, object]]]:
    """What taps get, what is said, and when."""
    present = set(LEGS)
    for leg in LEGS:
        pump.command(AddLeg(leg, RATE, PretendSource()))
    taps = [
        KeepingTap(TapPoint("a", Side.READ), TapPoint("a", Side.WRITE)),
        KeepingTap(TapPoint("b", Side.MIX), TapPoint("c", Side.WRITE), TapPoint("c", Side.READ), every=every),
    ]
    for tap in taps:
        pump.attach(tap)
    pump.command(Bridge("a", "b"))
    events: list[tuple[float, object]] = []
    target = 0
    for wait, command in [*script, (60, RemoveLeg("a"))]:
        for target in range(target + 1, target + wait + 1):  # noqa: B020
            events += [(pump.now, event) for event in pump.advance(target / 100, 0.01)[1]]
        if isinstance(command, AddLeg) and command.leg in present:
            continue
        if isinstance(command, AddLeg):
            present.add(command.leg)
        if isinstance(command, RemoveLeg):
            present.discard(command.leg)
        events += [(pump.now, event) for event in pump.command(command)]
    for tap in taps:
        assert not pump.catch_up(tap)
    return [tap.sound for tap in taps], events


@settings(max_examples=80, deadline=None)
@given(script=scripts, every=st.sampled_from((0, 80, 333, 1600)))
def test_lazy_taps_hear_and_say_the_same(script: list[tuple[int, LegCommand]], every: int) -> None:
    sounds, events = run(Pump(ClipLoader()), script, every)
    lazy_sounds, lazy_events = run(LivePump(ClipLoader()), script, every)
    assert [event for _, event in lazy_events] == [event for _, event in events]
    for (live, _), (told, _) in zip(lazy_events, events, strict=True):
        assert -1e-9 <= live - told < 0.0101  # live, what happens in a tick is told at its end
    for mine, theirs in zip(lazy_sounds, sounds, strict=True):
        assert np.array_equal(mine, theirs)


def test_taps_are_served_rarely_and_not_all_at_once() -> None:
    pump = LivePump(ClipLoader())
    pump.command(AddLeg("a", RATE, PretendSource()))
    pump.command(Say("a", (clip(noise(RATE * 4)),)))
    taps = [stereo("a") for _ in range(50)]
    for tap in taps:
        pump.attach(tap)
    served = []
    for tick in range(1, 301):
        pump.advance(tick / 100)
        served.append(sum(len(tap.blocks) for tap in taps))
    assert max(np.diff(served)) <= 2
    for tap in taps:
        assert 300 // SERVE_TICKS - 1 <= len(tap.blocks) <= 300 // SERVE_TICKS + 1
        assert max(block.shape[1] for block in tap.blocks) <= (SERVE_TICKS + 1) * 80
        assert tap.samples > (300 - SERVE_TICKS - 2) * 80
    assert np.array_equal(taps[0].sound[0, :8000], noise(RATE * 4)[:8000])


def test_a_row_used_again_does_not_tell_of_the_leg_before() -> None:
    pump = LivePump(ClipLoader())
    pump.command(AddLeg("a", RATE, PretendSource()))
    pump.command(Say("a", (clip(noise(RATE)),)))
    for tick in range(1, 6):
        pump.advance(tick / 100)
    pump.command(RemoveLeg("a"))
    pump.command(AddLeg("b", RATE, PretendSource()))
    tap = stereo("b")
    pump.attach(tap)
    for tick in range(6, 20):
        pump.advance(tick / 100)
    pump.catch_up(tap)
    assert not tap.sound.any()
    plane = pump.plane(RATE)
    out = np.zeros((1, 80), np.int16)
    plane.heard(2, np.zeros(1, np.intp), out)  # type: ignore[attr-defined]
    assert not out.any()


def test_without_ports_there_are_no_legs_on_the_network_and_no_tap_twice() -> None:
    pump = LivePump(ClipLoader())
    tap = stereo("a")
    pump.attach(tap)
    with pytest.raises(MediaError):
        pump.attach(tap)


class LiveBench(Bench):
    """The recordings' test bench over a live pump."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.pump = LivePump(ClipLoader())
        self.host = type(self.host)(self.pump, self.writer, on_closed=self.closed.put)


def test_masks_and_pauses_cut_at_their_very_sample(tmp_path: Path) -> None:
    with LiveBench(tmp_path) as bench:
        bench.leg("a", ramp(16000))
        bench.start(spec())
        expected = []
        sound = ramp(16000)
        for seconds, command in (
            (0.13, Mask("r1")),
            (0.05, Unmask("r1")),
            (0.31, Pause("r1")),
            (0.27, Resume("r1")),
            (0.41, None),
        ):
            start = round(bench.pump.now * 8000)
            bench.run(seconds)
            piece = sound[start : round(bench.pump.now * 8000)]
            if not isinstance(command, Unmask | Resume):
                expected.append(piece)
            elif isinstance(command, Unmask):
                expected.append(np.zeros_like(piece))
            if command is not None:
                [event] = bench.do(command)
                assert event.samples == sum(map(len, expected))
        assert np.array_equal(bench.stopped_audio()[:, 0], np.concatenate(expected))


def test_ends_fall_on_their_samples(tmp_path: Path) -> None:
    rule = SilenceRule(initial_ms=0, final_ms=700, threshold=100, detector="energy", vad_mode=1)
    with LiveBench(tmp_path) as bench:
        bench.leg("a", noise(8000))
        for name, changes in (("limit", {"time_limit_s": 1.2345}), ("quiet", {"silence": rule})):
            bench.start(spec(name, **changes))
        bench.start(spec("digit", dtmf_stop="5"))
        bench.start(spec("hangup"))
        bench.run(0.5)
        bench.send(Press("a", "5"))
        bench.run(1.5)
        bench.send(RemoveLeg("a"))
        ends = {name: bench.last(name) for name in ("limit", "quiet", "digit", "hangup")}
        assert {name: event.reason for name, event in ends.items()} == {
            "limit": "time_limit",
            "quiet": "silence",
            "digit": "digit",
            "hangup": "hangup",
        }
        assert {name: event.samples for name, event in ends.items()} == {
            "limit": 9876,
            "quiet": 8000 + 5600,
            "digit": 4000,
            "hangup": 16000,
        }
        for _ in ends:
            assert bench.finish().file is not None
