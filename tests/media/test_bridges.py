"""Who hears whom, to the sample."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import numpy as np
import pytest

from callflow.errors import MediaError
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Hold,
    Muffle,
    PretendSource,
    RemoveLeg,
    Say,
    Side,
    TapPoint,
    Unbridge,
)
from callflow.media.pump import Pump
from tests.media.listening import RATE, KeepingTap, clip, noise, pump_with, run_to, stereo


def test_bridged_legs_hear_each_other_on_the_same_sample() -> None:
    pump = pump_with("a", "b")
    a, b = noise(3 * RATE, 1), noise(3 * RATE, 2)
    taps = stereo("a"), stereo("b")
    for tap in taps:
        pump.attach(tap)
    pump.command(Say("a", (clip(a),)))
    pump.command(Say("b", (clip(b),)))
    run_to(pump, 1.0)
    pump.command(Bridge("a", "b"))
    run_to(pump, 2.0)
    pump.command(Unbridge("b"))
    run_to(pump, 3.0)
    for tap, said, heard in ((taps[0], a, b), (taps[1], b, a)):
        assert np.array_equal(tap.sound[0], said)
        assert not tap.sound[1, :RATE].any()
        assert np.array_equal(tap.sound[1, RATE : 2 * RATE], heard[RATE : 2 * RATE])
        assert not tap.sound[1, 2 * RATE :].any()


def test_a_peer_that_falls_silent_is_silence() -> None:
    pump = pump_with("a", "b")
    tap = stereo("a")
    pump.attach(tap)
    pump.command(Bridge("a", "b"))
    pump.command(Say("b", (clip(noise(1111)),)))
    run_to(pump, 2.0)
    assert np.array_equal(tap.sound[1, :1111], noise(1111))
    assert not tap.sound[1, 1111:].any()


def test_hold_cuts_both_ways_and_comes_back() -> None:
    pump = pump_with("a", "b")
    tap_a, tap_b = stereo("a"), stereo("b")
    pump.attach(tap_a)
    pump.attach(tap_b)
    for leg, seed in (("a", 1), ("b", 2)):
        pump.command(Say(leg, (clip(noise(3 * RATE, seed)),)))
    pump.command(Bridge("a", "b"))
    run_to(pump, 1.0)
    pump.command(Hold("b", True))
    run_to(pump, 2.0)
    pump.command(Hold("b", False))
    run_to(pump, 3.0)
    for tap, other in ((tap_a, 2), (tap_b, 1)):
        heard = noise(3 * RATE, other)
        heard[RATE : 2 * RATE] = 0
        assert np.array_equal(tap.sound[1], heard)


def test_a_new_bridge_ends_the_former_ones_of_both() -> None:
    pump = pump_with("a", "b", "c", "d")
    taps = {leg: stereo(leg) for leg in "abcd"}
    for leg, tap in taps.items():
        pump.attach(tap)
        pump.command(Say(leg, (clip(noise(RATE, ord(leg))),), loop=True))
    pump.command(Bridge("a", "b"))
    pump.command(Bridge("c", "d"))
    pump.command(Bridge("b", "c"))
    run_to(pump, 1.0)
    assert not taps["a"].sound[1].any()
    assert not taps["d"].sound[1].any()
    assert np.array_equal(taps["b"].sound[1], noise(RATE, ord("c")))
    assert np.array_equal(taps["c"].sound[1], noise(RATE, ord("b")))


def test_a_removed_leg_is_silence_from_its_sample_on_and_its_name_can_come_back() -> None:
    pump = pump_with("a", "b")
    tap = KeepingTap(TapPoint("a", Side.WRITE), TapPoint("b", Side.READ), TapPoint("", Side.READ))
    mine = stereo("b")
    pump.attach(tap)
    pump.attach(mine)
    pump.command(Bridge("a", "b"))
    pump.command(Say("b", (clip(noise(3 * RATE)),)))
    run_to(pump, 0.35)
    pump.command(RemoveLeg("b"))
    pump.command(AddLeg("c", RATE, PretendSource()))  # gets the row that was b's
    pump.command(Say("c", (clip(noise(RATE, 9)),), loop=True))
    run_to(pump, 1.0)
    pump.command(AddLeg("b", RATE, PretendSource()))
    pump.command(Say("b", (clip(noise(RATE, 5)),)))
    run_to(pump, 2.0)
    for channel in (tap.sound[1], mine.sound[0]):
        assert np.array_equal(channel[:2800], noise(3 * RATE)[:2800])
        assert not channel[2800:RATE].any()
        assert np.array_equal(channel[RATE:], noise(RATE, 5))
    assert np.array_equal(tap.sound[0, :2800], noise(3 * RATE)[:2800])
    assert not tap.sound[0, 2800:].any()
    assert not tap.sound[2].any()


def test_a_row_given_to_another_leg_carries_nothing_over() -> None:
    pump = pump_with("a", "b")
    pump.attach(stereo("a"))
    pump.command(Bridge("a", "b"))
    pump.command(Say("a", (clip(noise(RATE)),), loop=True))
    pump.command(Say("b", (clip(noise(RATE)),), loop=True))
    run_to(pump, 1.0)
    pump.command(RemoveLeg("a"))
    pump.command(RemoveLeg("b"))
    taps = [stereo(f"n{number}") for number in range(20)]
    for number, tap in enumerate(taps):
        pump.command(AddLeg(f"n{number}", RATE, PretendSource()))
        pump.attach(tap)
    run_to(pump, 2.0)
    assert all(tap.sound.shape == (2, RATE) and not tap.sound.any() for tap in taps)


def test_mix_is_half_of_each_and_never_clips() -> None:
    pump = pump_with("a", "b")
    loud = np.array([32767, 32767, -32768, -32768, 5, -5, 0, 1] * 100, np.int16)
    other = np.array([32767, -32768, -32768, 32767, 6, -6, 3, -1] * 100, np.int16)
    tap = KeepingTap(TapPoint("a", Side.MIX))
    pump.attach(tap)
    pump.command(Bridge("a", "b"))
    pump.command(Say("a", (clip(loud),)))
    pump.command(Say("b", (clip(other),)))
    run_to(pump, 0.1)
    wanted = (loud.astype(np.int32) + other.astype(np.int32)) >> 1
    assert np.array_equal(tap.sound[0], wanted)


def test_32_channels_of_16_legs_in_their_order() -> None:
    legs = [f"leg{number}" for number in range(16)]
    pump = pump_with(*legs)
    points = [TapPoint(leg, side) for leg in reversed(legs) for side in (Side.WRITE, Side.READ)]
    tap = KeepingTap(*points)
    pump.attach(tap)
    for number, leg in enumerate(legs):
        pump.command(Say(leg, (clip(noise(RATE, number)),)))
        if number % 2:
            pump.command(Bridge(leg, legs[number - 1]))
    run_to(pump, 1.0)
    for channel, point in enumerate(points):
        number = legs.index(point.leg)
        wanted = number if point.side is Side.READ else number ^ 1
        assert np.array_equal(tap.sound[channel], noise(RATE, wanted)), channel


def test_new_points_are_heard_from_the_next_block_on() -> None:
    pump = pump_with("a", "b")
    tap = stereo("a")
    pump.attach(tap)
    for leg, seed in (("a", 1), ("b", 2)):
        pump.command(Say(leg, (clip(noise(2 * RATE, seed)),)))
    run_to(pump, 1.0)
    tap.points = (TapPoint("b", Side.READ), TapPoint("b", Side.WRITE))
    run_to(pump, 2.0)
    assert np.array_equal(tap.sound[0, :RATE], noise(2 * RATE, 1)[:RATE])
    assert np.array_equal(tap.sound[0, RATE:], noise(2 * RATE, 2)[RATE:])


def test_legs_of_several_rates_share_one_time() -> None:
    pump = pump_with("narrow")
    pump.command(AddLeg("wide", 16000, PretendSource()))
    narrow, wide = stereo("narrow"), stereo("wide", rate=16000)
    wrong = stereo("wide", rate=24000)
    for tap in (narrow, wide, wrong):
        pump.attach(tap)
    pump.command(Say("narrow", (clip(noise(RATE, 1)),)))
    pump.command(Say("wide", (clip(noise(16000, 2), 16000),)))
    run_to(pump, 1.0)
    assert np.array_equal(narrow.sound[0], noise(RATE, 1))
    assert np.array_equal(wide.sound[0], noise(16000, 2))
    assert wrong.sound.shape == (2, 24000)
    assert not wrong.sound.any()


def test_what_never_can_be_is_refused() -> None:
    pump = pump_with("a")
    pump.command(AddLeg("wide", 24000, PretendSource()))
    with pytest.raises(MediaError, match="cannot hear each other"):
        pump.command(Bridge("a", "wide"))
    with pytest.raises(MediaError, match="cannot hear each other"):
        pump.command(Bridge("a", "a"))
    with pytest.raises(MediaError, match="already"):
        pump.command(AddLeg("a", RATE, PretendSource()))
    with pytest.raises(MediaError, match="11025"):
        pump.command(AddLeg("odd", 11025, PretendSource()))
    tap = stereo("a")
    pump.attach(tap)
    with pytest.raises(MediaError, match="attached"):
        pump.attach(tap)


def test_a_detached_tap_and_one_that_wants_nothing_are_left_alone() -> None:
    pump = pump_with("a")
    tap, deaf = stereo("a"), stereo("a")
    deaf.wants_audio = False
    pump.attach(tap)
    pump.attach(deaf)
    run_to(pump, 0.2)
    pump.detach(tap)
    pump.detach(tap)
    run_to(pump, 0.4)
    assert tap.samples == 1600
    assert deaf.samples == 0
    deaf.wants_audio = True
    run_to(pump, 0.5)
    assert deaf.starts == [0.4]


def test_a_muffled_leg_is_not_heard_or_hears_nobody_whoever_its_peer_is() -> None:
    pump = pump_with("a", "b", "c")
    taps = {leg: stereo(leg) for leg in "abc"}
    said = {leg: noise(5 * RATE, seed) for seed, leg in enumerate("abc", 1)}
    for leg, tap in taps.items():
        pump.attach(tap)
        pump.command(Say(leg, (clip(said[leg]),)))
    pump.command(Bridge("a", "b"))
    run_to(pump, 1.0)
    pump.command(Muffle("a", muted=True))
    run_to(pump, 2.0)
    pump.command(Bridge("c", "a"))
    run_to(pump, 3.0)
    pump.command(Muffle("a", deaf=True))
    run_to(pump, 4.0)
    pump.command(Muffle("a"))
    run_to(pump, 5.0)

    def heard(leg: str) -> list[str]:
        """Whom it heard in each second."""
        seconds = [slice(n * RATE, (n + 1) * RATE) for n in range(5)]
        return ["".join(who for who in "abc" if np.array_equal(taps[leg].sound[1, one], said[who][one]))
                or ("" if not taps[leg].sound[1, one].any() else "?") for one in seconds]  # fmt: skip

    assert heard("a") == ["b", "b", "c", "", "c"]
    assert heard("b") == ["a", "", "", "", ""]
    assert heard("c") == ["", "", "", "a", "a"]
    assert np.array_equal(taps["a"].sound[0], said["a"]), "what it says is its own"


@pytest.mark.parametrize("rates", [(8000, 16000), (16000, 8000)])
def test_a_muffled_leg_of_another_rate(rates: tuple[int, int]) -> None:
    """Muted, then deaf, then neither: before they are bridged, and while they are."""
    pump = Pump(ClipLoader())
    taps = {}
    for leg, rate in zip("ab", rates, strict=True):
        pump.command(AddLeg(leg, rate, PretendSource()))
        taps[leg] = stereo(leg, rate=rate)
        pump.attach(taps[leg])
        pump.command(Say(leg, (clip(noise(5 * rate, 1), rate),)))
    pump.command(Muffle("a", muted=True))
    pump.command(Bridge("a", "b"))
    for second, change in enumerate((None, {"deaf": True}, {}, {"muted": True, "deaf": True}, {}), 1):
        if change is not None:
            pump.command(Muffle("a", **change))
        run_to(pump, float(second))

    def hears(leg: str, rate: int) -> list[bool]:
        heard = taps[leg].sound[1].reshape(5, rate)[:, rate // 10 : -rate // 10]
        return [bool(one.any()) for one in heard]

    assert hears("b", rates[1]) == [False, True, True, False, True]
    assert hears("a", rates[0]) == [True, False, True, False, True]


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_muffled_leg_stays_so_in_another_process(rate: int) -> None:
    """It goes to the worker of whom it is to talk with, who may be of the other rate."""
    here, there = LivePump(ClipLoader()), LivePump(ClipLoader())
    here.command(AddLeg("a", 8000, PretendSource()))
    there.command(AddLeg("b", rate, PretendSource()))
    here.command(Say("a", (clip(noise(3 * 8000, 1), 8000),)))
    there.command(Say("b", (clip(noise(3 * rate, 2), rate),)))
    here.command(Muffle("a", muted=True, deaf=True))
    ticks(here, 10)
    ticks(there, 10)
    moved, sockets = here.give_away(["a"])
    assert not sockets
    there.take_in(pickle.loads(pickle.dumps(moved)), [])
    taps = {"a": stereo("a"), "b": stereo("b", rate=rate)}
    for tap in taps.values():
        there.attach(tap)
    there.command(Bridge("a", "b"))
    hears = []
    for change in (None, {"muted": True}, {"deaf": True}, {}):
        if change is not None:
            there.command(Muffle("a", **change))
        before = heard_so_far(there, taps)
        ticks(there, 50)
        heard_so_far(there, taps)
        late = {leg: before[leg] + tap.rate // 10 for leg, tap in taps.items()}
        hears.append([bool(tap.sound[1, late[leg] :].any()) for leg, tap in taps.items()])
    assert hears == [[False, False], [True, False], [False, True], [True, True]]


def heard_so_far(pump: LivePump, taps: Mapping[str, KeepingTap]) -> dict[str, int]:
    """In samples."""
    for tap in taps.values():
        pump.catch_up(tap)
    return {leg: tap.samples for leg, tap in taps.items()}


def ticks(pump: LivePump, count: int) -> None:
    """Of 10 ms."""
    for _ in range(count):
        pump.advance(pump.now + 0.01)
