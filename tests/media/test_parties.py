"""What pretend parties say and press: queues, delay, hush, lost packets, digits."""

from __future__ import annotations

import numpy as np
import pytest

from callflow.errors import MediaError
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Digit,
    DigitHeard,
    FileClip,
    Hold,
    Hush,
    Press,
    PretendSource,
    RemoveLeg,
    Say,
    SayDone,
    SendDigits,
    ToneClip,
)
from callflow.media.tones import DTMF_HZ
from tests.media.listening import RATE, KeepingTap, clip, level, noise, pump_with, run_to, stereo


def test_what_is_said_queues_up_and_is_done_once() -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    assert pump.command(Say("a", (clip(noise(1003, 1)),))) == []
    run_to(pump, 0.05)
    pump.command(Say("a", (clip(noise(997, 2)),)))
    assert run_to(pump, 0.5) == [SayDone("a", 0.25)]
    wanted = np.concatenate([noise(1003, 1), noise(997, 2)])
    assert np.array_equal(tap.sound[0, :2000], wanted)
    assert not tap.sound[0, 2000:].any()
    pump.command(Say("a", (clip(noise(80, 3)),)))
    assert run_to(pump, 1.0) == [SayDone("a", 0.51)]


def test_a_delay_shifts_sound_digits_and_hush_alike() -> None:
    delay = PretendSource(delay_s=0.1234)  # 987 samples
    pump = pump_with("a", source=delay)
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Say("a", (clip(noise(RATE)),)))
    pump.command(Press("a", "5"))
    assert run_to(pump, 0.5) == [Digit("a", "5", 0.13)]
    pump.command(Hush("a"))
    assert run_to(pump, 1.0) == []
    heard = tap.sound[0]
    assert not heard[:987].any()
    assert np.array_equal(heard[987 : 4000 + 987], noise(RATE)[:4000])
    assert not heard[4987:].any()


def test_a_gap_between_two_sayings_is_silence() -> None:
    pump = pump_with("a", source=PretendSource(delay_s=0.1))
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Say("a", (clip(noise(800, 1)),)))
    run_to(pump, 0.15)
    pump.command(Say("a", (clip(noise(800, 2)),)))
    run_to(pump, 1.0)
    wanted = np.zeros(RATE, np.int16)
    wanted[800:1600] = noise(800, 1)
    wanted[2000:2800] = noise(800, 2)
    assert np.array_equal(tap.sound[0], wanted)


def test_hush_forgets_what_was_queued_and_speech_can_begin_anew() -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Say("a", (clip(noise(RATE, 1)),), loop=True))
    pump.command(Say("a", (clip(noise(RATE, 2)),)))
    run_to(pump, 0.3)
    assert pump.command(Hush("a")) == []
    run_to(pump, 0.5)
    pump.command(Say("a", (clip(noise(800, 3)),)))
    assert run_to(pump, 1.0) == [SayDone("a", 0.6)]
    heard = tap.sound[0]
    assert np.array_equal(heard[:2400], noise(RATE, 1)[:2400])
    assert not heard[2400:4000].any()
    assert np.array_equal(heard[4000:4800], noise(800, 3))
    assert not heard[4800:].any()


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("step", [0.01, 0.07, 0.5])
def test_lost_packets_are_silence_of_exactly_their_length(rate: int, step: float) -> None:
    loss = (0, 1, 0, 0, 1, 1, 0)
    pump = pump_with("b", rate=rate)
    run_to(pump, 0.25)
    pump.command(AddLeg("a", rate, PretendSource(loss=loss)))
    tap = KeepingTap(*stereo("a").points, *stereo("b").points, rate=rate)
    pump.attach(tap)
    pump.command(Bridge("a", "b"))
    pump.command(Say("a", (clip(noise(2 * rate), rate),)))
    run_to(pump, 2.25, step)
    packet = rate // 50
    wanted = noise(2 * rate).reshape(-1, packet).copy()
    for number in range(len(wanted)):
        if loss[number % len(loss)]:
            wanted[number] = 0
    assert np.array_equal(tap.sound[0], wanted.ravel())
    assert np.array_equal(tap.sound[3], wanted.ravel())
    assert not tap.sound[1].any()


def test_lost_packets_keep_their_place_under_delay() -> None:
    source = PretendSource(loss=(0, 0, 1), delay_s=0.055)
    pump = pump_with("a", source=source)
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Say("a", (clip(noise(RATE)),)))
    run_to(pump, 1.5)
    wanted = noise(RATE).copy()
    for first in range(320, RATE, 480):
        wanted[first : first + 160] = 0
    assert np.array_equal(tap.sound[0, 440 : 440 + RATE], wanted)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("step", [0.01, 0.07, 0.5])
def test_a_packet_in_time_is_at_its_place_and_a_late_one_is_silence(rate: int, step: float) -> None:
    loss, late_ms = (0, 0, 0, 1), (0.0, 30.0, 60.0, 60.1, 1000.0)
    pump = pump_with("a", rate=rate, source=PretendSource(loss=loss, delay_s=0.06, jitter_ms=late_ms))
    tap = stereo("a", rate=rate)
    pump.attach(tap)
    pump.command(Say("a", (clip(noise(2 * rate), rate),)))
    run_to(pump, 2.5, step)
    packet, delay = rate // 50, rate * 60 // 1000
    wanted = noise(2 * rate).reshape(-1, packet).copy()
    for number in range(len(wanted)):
        if loss[number % 4] or late_ms[number % 5] > 60:
            wanted[number] = 0
    assert not tap.sound[0, :delay].any()
    assert np.array_equal(tap.sound[0, delay : delay + 2 * rate], wanted.ravel())


@pytest.mark.parametrize(("room_s", "heard"), [(0.0, False), (1.0, False), (1.001, True), (2.0, True)])
def test_how_late_a_packet_may_be_is_the_delay(room_s: float, heard: bool) -> None:
    pump = pump_with("a", source=PretendSource(delay_s=room_s, jitter_ms=(1001.0,)))
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Say("a", (clip(noise(RATE)),)))
    run_to(pump, 4.0)
    assert tap.sound[0].any() == heard


def test_digits_without_length_begin_one_after_the_other() -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    events = pump.command(Press("a", "12", tone_s=0.0, gap_s=0.0))
    events += run_to(pump, 0.1)
    assert events == [Digit("a", "1", 0.0), Digit("a", "2", 0.01)]
    assert tap.sound.shape[1] == 800


def test_pressed_digits_follow_each_other_and_make_no_sound() -> None:
    pump = pump_with("a", "b")
    tap = stereo("b")
    pump.attach(tap)
    pump.command(Bridge("a", "b"))
    run_to(pump, 0.1)
    events = pump.command(Press("a", "1*", tone_s=0.085, gap_s=0.05))  # 0.135 s: the next on a tick
    events += pump.command(Press("a", "d"))
    events += run_to(pump, 1.0)
    times = {"1": 0.1, "*": 0.24, "D": 0.38}
    assert [event for event in events if isinstance(event, Digit)] == [
        Digit("a", digit, time) for digit, time in times.items()
    ]
    assert [event for event in events if isinstance(event, DigitHeard)] == [
        DigitHeard("b", digit, time) for digit, time in times.items()
    ]
    assert not tap.sound.any()


def test_a_held_leg_does_not_pass_digits_on() -> None:
    pump = pump_with("a", "b")
    pump.command(Bridge("a", "b"))
    pump.command(Hold("a", True))
    assert pump.command(Press("a", "1")) == [Digit("a", "1", 0.0)]


def test_in_band_digits_are_sound_over_speech_and_no_event() -> None:
    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    speech = np.full(RATE, 1000, np.int16)
    pump.command(Say("a", (clip(speech),)))
    run_to(pump, 0.2)
    assert pump.command(Press("a", "7#", in_band=True)) == []
    assert run_to(pump, 1.0) == [SayDone("a", 1.0)]
    heard = tap.sound[0]
    for digit, first in (("7", 1600), ("#", 3200)):
        tone = heard[first : first + 800]
        for hertz in DTMF_HZ[digit]:
            assert level(tone, hertz) > 9000
        assert level(tone, 1633) < 500
        assert (heard[first + 800 : first + 1600] == 1000).all()
    assert (heard[:1600] == 1000).all()


def test_sent_digits_arrive_one_after_the_other() -> None:
    pump = pump_with("a")
    events = pump.command(SendDigits("a", "12"))
    events += pump.command(SendDigits("a", "3", tone_s=0.5))
    events += run_to(pump, 2.0)
    assert events == [DigitHeard("a", "1", 0.0), DigitHeard("a", "2", 0.2), DigitHeard("a", "3", 0.4)]


def test_what_cannot_be_pressed_or_said() -> None:
    pump = pump_with("a")
    with pytest.raises(MediaError, match="cannot be pressed"):
        pump.command(Press("a", "1x"))
    with pytest.raises(MediaError, match="cannot be pressed"):
        pump.command(SendDigits("a", "1", tone_s=-1))
    [done] = pump.command(Say("a", (FileClip("/nowhere/speech.wav"),)))
    assert isinstance(done, SayDone)
    assert "speech.wav" in done.message
    assert pump.command(Say("a", ())) == [SayDone("a", 0.0)]


def test_watchers_are_told_on_the_sample() -> None:
    class Watcher:
        def __init__(self) -> None:
            self.seen: list[object] = []

        def leg_removed(self, leg: str, time: float) -> list[object]:
            self.seen.append((leg, time, tap.samples))
            return ["told"]

        def digit(self, digit: Digit) -> list[object]:
            self.seen.append((digit.digit, digit.time, tap.samples))
            return ["digit"]

    pump = pump_with("a")
    tap = stereo("a")
    pump.attach(tap)
    watcher = Watcher()
    pump.watch(watcher)
    pump.command(Say("a", (ToneClip("ringback"),)))
    assert pump.command(Press("a", "12")) == [Digit("a", "1", 0.0), "digit"]
    assert run_to(pump, 0.47) == [Digit("a", "2", 0.2), "digit"]
    assert pump.command(RemoveLeg("a")) == ["told"]
    assert watcher.seen == [("1", 0.0, 0), ("2", 0.2, 1600), ("a", 0.47, 3760)]
