"""A run in many small steps is the same as one in few large ones: same samples, same events, same times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.media.clips import ClipLoader
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Hold,
    Hush,
    LegCommand,
    Play,
    Press,
    PretendSource,
    RemoveLeg,
    Say,
    SendDigits,
    Side,
    SilenceClip,
    StopPlay,
    TapPoint,
    ToneClip,
    Unbridge,
)
from callflow.media.pump import Pump
from callflow.media.taps import Samples
from tests.media.listening import RATE, KeepingTap, clip, noise

LEGS = ("a", "b", "c")
CLIPS = (
    clip(noise(37, 1)),
    clip(noise(1601, 2)),
    clip(noise(4400, 3), 16000),
    SilenceClip(0.0333),
    ToneClip("%(30,20,440,480)"),
    ToneClip("%(90,10,700);loops=-1"),
)

legs = st.sampled_from(LEGS)
clips = st.lists(st.sampled_from(CLIPS), max_size=3).map(tuple)
seconds = st.sampled_from((0.0, 0.013, 0.05, 0.1))
sources = st.builds(
    PretendSource,
    loss=st.lists(st.integers(0, 1), max_size=5).map(tuple),
    delay_s=st.sampled_from((0.0, 0.004, 0.0351)),
    jitter_ms=st.lists(st.sampled_from((0.0, 4.0, 40.0)), max_size=3).map(tuple),
)
commands: st.SearchStrategy[LegCommand] = st.one_of(
    st.builds(AddLeg, leg=legs, rate=st.just(RATE), source=sources),
    st.builds(RemoveLeg, leg=legs),
    st.builds(Say, leg=legs, clips=clips, loop=st.booleans()),
    st.builds(Hush, leg=legs),
    st.builds(
        Press,
        leg=legs,
        digits=st.sampled_from(("1", "5#")),
        tone_s=seconds,
        gap_s=seconds,
        in_band=st.booleans(),
    ),
    st.builds(SendDigits, leg=legs, digits=st.just("12"), tone_s=seconds, gap_s=seconds),
    st.sampled_from((Bridge("a", "b"), Bridge("b", "c"), Bridge("c", "a"))),
    st.builds(Unbridge, leg=legs),
    st.builds(Hold, leg=legs, held=st.booleans()),
    st.builds(
        Play,
        leg=legs,
        playback=st.sampled_from(("p", "q")),
        clips=clips,
        loops=st.integers(0, 3),
        terminators=st.sampled_from(("", "5", "#1")),
        mix=st.booleans(),
        now=st.booleans(),
    ),
    st.builds(StopPlay, leg=legs, playback=st.sampled_from(("", "p"))),
)
scripts = st.lists(st.tuples(st.integers(0, 40), commands), max_size=25)


@dataclass(frozen=True)
class Outcome:
    """What a run gave."""

    sounds: list[Samples]
    events: list[object]


def play_out(script: list[tuple[int, LegCommand]], every: int, steps: list[int]) -> Outcome:
    """Run ``script`` (ticks to wait, then a command) in steps of so many ticks, again and again."""
    pump = Pump(ClipLoader())
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
    events: list[object] = []
    number = 0
    target = 0
    for wait, command in [*script, (60, Unbridge("nobody"))]:
        target += wait
        while pump.now < target / 100 - 1e-9:
            step = steps[number % len(steps)]
            number += 1
            more = pump.advance(min(target / 100, pump.now + step / 100))[1]
            events += [(pump.now, event) for event in more]  # told at the same moment, too
        if isinstance(command, AddLeg) and command.leg in present:
            continue
        if isinstance(command, AddLeg):
            present.add(command.leg)
        if isinstance(command, RemoveLeg):
            present.discard(command.leg)
        events += pump.command(command)
    return Outcome([tap.sound for tap in taps], events)


@settings(max_examples=120, deadline=None)
@given(
    script=scripts,
    every=st.sampled_from((0, 80, 333, 1600)),
    steps=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_steps_do_not_matter(script: list[tuple[int, LegCommand]], every: int, steps: list[int]) -> None:
    large = play_out(script, every, [1000])
    for small in ([1], steps):
        other = play_out(script, every, small)
        assert other.events == large.events
        for mine, theirs in zip(large.sounds, other.sounds, strict=True):
            assert np.array_equal(mine, theirs)
    assert all(sound.shape[1] == large.sounds[0].shape[1] for sound in large.sounds)


def test_blocks_are_gap_free_and_on_the_tick_grid() -> None:
    pump = Pump(ClipLoader())
    pump.command(AddLeg("a", RATE, PretendSource()))
    tap = KeepingTap(TapPoint("a", Side.READ), every=333)
    pump.attach(tap)
    marks: list[object] = []
    while pump.now < 5.0:
        reached, events = pump.advance(5.0)
        marks += [(event, reached) for event in events]
    # Each is told on the first tick that it is before or on.
    assert marks == [(("mark", sample), -(-sample // 80) / 100) for sample in range(333, 40001, 333)]
    at = 0
    for start, block in zip(tap.starts, tap.blocks, strict=True):
        assert round(start * RATE) == at
        assert block.shape[1] % 80 == 0
        assert 0 < block.shape[1] <= 4000
        at += block.shape[1]
    assert at == 40000
