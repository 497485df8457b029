"""What is played to a leg: queues, loops, ends, on their exact samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from callflow.media.messages import (
    AddLeg,
    Bridge,
    Digit,
    DigitHeard,
    FileClip,
    Play,
    PlaybackDone,
    Press,
    PretendSource,
    RemoveLeg,
    Say,
    SilenceClip,
    StopPlay,
    ToneClip,
)
from tests.media.listening import RATE, clip, noise, pump_with, run_to, stereo


def test_it_ends_on_its_sample_and_the_next_begins_there() -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    first, second = noise(1237, 1), noise(801, 2)
    assert pump.command(Play("a", "p1", (clip(first),))) == []
    assert pump.command(Play("a", "p2", (clip(second), SilenceClip(0.1), clip(first)))) == []
    events = run_to(pump, 1.0)
    ends = [1237, 1237 + 801 + 800 + 1237]
    assert events == [
        PlaybackDone("a", "p1", "finished", ends[0] / RATE),
        PlaybackDone("a", "p2", "finished", ends[1] / RATE),
    ]
    wanted = np.concatenate([first, second, np.zeros(800, np.int16), first])
    assert np.array_equal(tap.sound[1, : ends[1]], wanted)
    assert not tap.sound[1, ends[1] :].any()
    assert not tap.sound[0].any()


@pytest.mark.parametrize("size", [7, 1237, 9001])
def test_loops_are_seamless(size: int) -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    pcm = noise(size)
    pump.command(Play("a", "three", (clip(pcm),), loops=3))
    pump.command(Play("a", "ever", (clip(pcm), clip(pcm[::-1])), loops=0))
    events = run_to(pump, 10.0)
    assert events == [PlaybackDone("a", "three", "finished", 3 * size / RATE)]
    ever = np.concatenate([pcm, pcm[::-1]])
    wanted = np.concatenate([np.tile(pcm, 3), np.tile(ever, 80000 // len(ever) + 1)])
    assert np.array_equal(tap.sound[1], wanted[: 10 * RATE])


def test_an_endless_tone_is_never_left() -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Play("a", "p", (clip(noise(100)), ToneClip("%(50,50,1000);loops=-1"), clip(noise(100)))))
    assert run_to(pump, 3.0) == []
    tone = tap.sound[1, 100:]
    assert np.array_equal(tone[:800], tone[800 * 20 : 800 * 21])
    assert np.array_equal(tap.sound[1, :100], noise(100))
    assert pump.command(StopPlay("a")) == [PlaybackDone("a", "p", "stopped", 3.0)]


def test_it_replaces_the_bridge_unless_mixed_and_the_bridge_comes_back() -> None:
    pump = pump_with("a", "b")
    tap = stereo("a")
    pump.attach(tap)
    voice = np.full(RATE * 2, 30000, np.int16)
    prompt = np.full(1205, 10000, np.int16)
    pump.command(Bridge("a", "b"))
    pump.command(Say("b", (clip(voice),)))
    pump.command(Play("a", "over", (clip(prompt),)))
    pump.command(Play("a", "with", (clip(prompt),), mix=True))
    run_to(pump, 1.0)
    heard = tap.sound[1]
    assert np.array_equal(heard[:1205], prompt)
    assert (heard[1205:2410] == 32767).all()
    assert np.array_equal(heard[2410:], voice[: RATE - 2410])


def test_now_ends_what_was_there() -> None:
    pump = pump_with("a")
    pump.command(Play("a", "p1", (SilenceClip(5),)))
    pump.command(Play("a", "p2", (SilenceClip(5),)))
    run_to(pump, 0.37)
    assert pump.command(Play("a", "p3", (clip(noise(80)),), now=True)) == [
        PlaybackDone("a", "p1", "stopped", 0.37),
        PlaybackDone("a", "p2", "stopped", 0.37),
    ]
    assert run_to(pump, 1.0) == [PlaybackDone("a", "p3", "finished", 0.38)]


def test_stopping_one_of_a_queue_moves_the_others_up() -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    for number in (1, 2, 3):
        pump.command(Play("a", f"p{number}", (clip(noise(4000, number)),)))
    run_to(pump, 0.25)
    assert pump.command(StopPlay("a", "p2")) == [PlaybackDone("a", "p2", "stopped", 0.25)]
    assert pump.command(StopPlay("a", "p2")) == []
    assert run_to(pump, 0.5) == [PlaybackDone("a", "p1", "finished", 0.5)]
    run_to(pump, 0.75)
    assert pump.command(StopPlay("a", "p3")) == [PlaybackDone("a", "p3", "stopped", 0.75)]
    run_to(pump, 1.0)
    assert np.array_equal(tap.sound[1, :4000], noise(4000, 1))
    assert np.array_equal(tap.sound[1, 4000:6000], noise(4000, 3)[:2000])
    assert not tap.sound[1, 6000:].any()


def test_only_a_terminator_ends_it_and_the_peer_hears_the_digit() -> None:
    pump = pump_with("a", "b")
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Bridge("a", "b"))
    pump.command(Play("a", "p1", (clip(noise(RATE, 1)),), terminators="#"))
    pump.command(Play("a", "p2", (clip(noise(1600, 2)),), terminators="#"))
    run_to(pump, 0.2)
    assert pump.command(Press("a", "1#")) == [Digit("a", "1", 0.2), DigitHeard("b", "1", 0.2)]
    assert run_to(pump, 1.0) == [
        Digit("a", "#", 0.4, "p1"),
        PlaybackDone("a", "p1", "digit", 0.4, digit="#"),
        DigitHeard("b", "#", 0.4),
        PlaybackDone("a", "p2", "finished", 0.6),
    ]
    assert np.array_equal(tap.sound[1, :3200], noise(RATE, 1)[:3200])
    assert np.array_equal(tap.sound[1, 3200:4800], noise(1600, 2))
    assert not tap.sound[1, 4800:].any()


def test_what_cannot_be_played_says_why(tmp_path: Path) -> None:
    pump = pump_with("a")
    [failed] = pump.command(Play("a", "p", (clip(noise(10)), FileClip(f"{tmp_path}/none.wav"))))
    assert isinstance(failed, PlaybackDone)
    assert (failed.playback, failed.reason) == ("p", "failed")
    assert "none.wav" in failed.message
    [failed] = pump.command(Play("a", "p", (ToneClip("%(nonsense"),)))
    assert isinstance(failed, PlaybackDone)
    assert failed.reason == "failed"


def test_a_leg_that_is_gone_answers_for_its_playbacks() -> None:
    pump = pump_with("a")
    pump.command(Play("a", "p1", (SilenceClip(5),)))
    pump.command(Play("a", "p2", (SilenceClip(5),), loops=0))
    run_to(pump, 0.5)
    assert pump.command(RemoveLeg("a")) == [
        PlaybackDone("a", "p1", "leg_gone", 0.5),
        PlaybackDone("a", "p2", "leg_gone", 0.5),
    ]
    assert pump.command(Play("a", "p3", ())) == [PlaybackDone("a", "p3", "leg_gone", 0.5)]
    for harmless in (StopPlay("a"), Press("a", "1"), RemoveLeg("a"), Bridge("a", "b")):
        assert pump.command(harmless) == []
    assert run_to(pump, 20.0) == []
    assert pump.idle


def test_nothing_to_play_is_done_at_once() -> None:
    pump = pump_with("a")
    done = PlaybackDone("a", "p", "finished", 0.0)
    assert pump.command(Play("a", "p", ())) == [done]
    assert pump.command(Play("a", "p", (SilenceClip(0),), loops=0)) == [done]


def test_without_a_tap_time_jumps_to_the_next_happening() -> None:
    pump = pump_with("a")
    pump.command(AddLeg("b", RATE, PretendSource()))
    pump.command(Play("a", "p", (SilenceClip(3000.0051),)))
    reached, events = pump.advance(3600.0)
    assert reached == 3000.01
    assert events == [PlaybackDone("a", "p", "finished", 24000041 / RATE)]
    assert pump.advance(3600.0) == (3600.0, [])
    assert pump.advance(3600.005) == (3600.005, [])
    assert pump.now == 3600.0
