"""Rooms: each member hears the sum of all others, to the sample, whoever comes, goes, is muted or held."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from callflow.errors import MediaError
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Digit,
    DigitHeard,
    Hold,
    JoinRoom,
    LeaveRoom,
    Play,
    Press,
    PretendSource,
    RemoveLeg,
    Say,
    SetMember,
    Side,
    TapPoint,
)
from callflow.media.pump import Pump
from callflow.media.room_commands import MOST_MEMBERS
from callflow.media.taps import Samples
from tests.media.listening import RATE, KeepingTap, clip, level, noise, pump_with, run_to

SECOND = RATE
Make = Callable[..., Pump]


def live_with(*legs: str) -> LivePump:
    """As ``pump_with``, a tick at a time."""
    pump = LivePump(ClipLoader())
    for leg in legs:
        pump.command(AddLeg(leg, RATE, PretendSource()))
    return pump


def heard(pump: Pump, *legs: str) -> dict[str, KeepingTap]:
    """What each leg hears from now on."""
    taps = {leg: KeepingTap(TapPoint(leg, Side.WRITE)) for leg in legs}
    for tap in taps.values():
        pump.attach(tap)
    return taps


def run_live(pump: LivePump, until: float) -> list[object]:
    """Tick by tick up to ``until``."""
    events: list[object] = []
    while pump.now < until - 1e-9:
        events += pump.advance(until)[1]
    return events


def go(pump: Pump, until: float) -> list[object]:
    """Up to ``until``, as that pump does it."""
    return run_live(pump, until) if isinstance(pump, LivePump) else run_to(pump, until)


def end(pump: Pump, taps: dict[str, KeepingTap]) -> dict[str, Samples]:
    """The sound of all taps up to now."""
    for tap in taps.values():
        pump.catch_up(tap)
    return {leg: tap.sound[0] for leg, tap in taps.items()}


def total(*said: Samples) -> Samples:
    """What is heard of several together."""
    sums = np.sum([each.astype(np.int64) for each in said], axis=0) if said else np.zeros(SECOND)
    clipped: Samples = np.clip(sums, -32768, 32767).astype(np.int16)
    return clipped


@pytest.fixture(params=["blocks", "ticks"])
def make(request: pytest.FixtureRequest) -> Make:
    return pump_with if request.param == "blocks" else live_with


def speakers(make: Make, names: str, seconds: int) -> tuple[Pump, dict[str, Samples]]:
    """A pump whose legs all talk, each something else."""
    pump = make(*names)
    said = {name: noise(seconds * RATE, seed) for seed, name in enumerate(names)}
    for name, pcm in said.items():
        pump.command(Say(name, (clip(pcm),)))
    return pump, said


def test_each_hears_all_others_from_its_join_to_its_leave(make: Make) -> None:
    pump, said = speakers(make, "abc", 4)
    taps = heard(pump, *"abc")
    for name in "ab":
        pump.command(JoinRoom(name, "room"))
    go(pump, 1.0)
    pump.command(JoinRoom("c", "room"))
    go(pump, 2.0)
    pump.command(LeaveRoom("a"))
    go(pump, 2.5)
    pump.command(RemoveLeg("b"))
    go(pump, 4.0)
    sound = end(pump, taps)
    first, second, half = slice(0, SECOND), slice(SECOND, 2 * SECOND), slice(2 * SECOND, 5 * SECOND // 2)
    assert np.array_equal(sound["a"][first], said["b"][first])
    assert np.array_equal(sound["b"][first], said["a"][first])
    assert not sound["c"][first].any()
    for name, others in (("a", "bc"), ("b", "ac"), ("c", "ab")):
        assert np.array_equal(sound[name][second], total(*(said[other][second] for other in others)))
    assert not sound["a"][2 * SECOND :].any()
    assert np.array_equal(sound["b"][half], said["c"][half])
    assert np.array_equal(sound["c"][half], said["b"][half])
    assert not sound["c"][half.stop :].any()


def test_the_sum_is_held_at_the_ends_and_not_wrapped(make: Make) -> None:
    pump = make(*"abcd")
    loud = np.full(SECOND, 30000, np.int16)
    taps = heard(pump, *"abcd")
    for name, pcm in (("a", loud), ("b", loud), ("c", -loud)):
        pump.command(Say(name, (clip(pcm),)))
    for name in "abcd":
        pump.command(JoinRoom(name, "room"))
    go(pump, 0.5)
    pump.command(LeaveRoom("c"))
    go(pump, 1.0)
    sound = end(pump, taps)
    half = SECOND // 2
    assert (sound["c"][:half] == 32767).all() and (sound["d"][:half] == 30000).all()
    assert (sound["a"][:half] == 0).all() and (sound["d"][half:] == 32767).all()


def test_mute_and_deaf(make: Make) -> None:
    pump, said = speakers(make, "abc", 4)
    taps = heard(pump, *"abc")
    pump.command(JoinRoom("a", "room", speaks=False))
    pump.command(JoinRoom("b", "room", hears=False))
    pump.command(JoinRoom("c", "room"))
    go(pump, 1.0)
    pump.command(SetMember("a"))
    pump.command(SetMember("b", speaks=False))
    go(pump, 2.0)
    pump.command(SetMember("c", speaks=False, hears=False))
    go(pump, 3.0)
    pump.command(SetMember("nobody"))
    pump.command(LeaveRoom("nobody"))
    go(pump, 4.0)
    sound = end(pump, taps)
    first, second, rest = slice(0, SECOND), slice(SECOND, 2 * SECOND), slice(2 * SECOND, 4 * SECOND)
    assert np.array_equal(sound["a"][first], total(said["b"][first], said["c"][first]))
    assert not sound["b"][first].any()
    assert np.array_equal(sound["c"][first], said["b"][first])
    assert np.array_equal(sound["a"][second], said["c"][second])
    assert np.array_equal(sound["b"][second], total(said["a"][second], said["c"][second]))
    assert np.array_equal(sound["c"][second], said["a"][second])
    assert not sound["a"][rest].any() and not sound["c"][rest].any()
    assert np.array_equal(sound["b"][rest], said["a"][rest])


def test_pairs_hear_each_other_only_as_far_as_both_say_so(make: Make) -> None:
    pump, said = speakers(make, "abcd", 2)
    taps = heard(pump, *"abcd")
    pump.command(JoinRoom("a", "room", speaks_to=("b", "later")))
    pump.command(JoinRoom("b", "room", hears_from=("a", "c")))
    pump.command(JoinRoom("c", "room"))
    pump.command(JoinRoom("d", "room", speaks_to=(), hears_from=("c", "a")))
    go(pump, 1.0)
    pump.command(SetMember("a"))
    go(pump, 2.0)
    sound = end(pump, taps)
    first, second = slice(0, SECOND), slice(SECOND, 2 * SECOND)
    assert np.array_equal(sound["a"][first], total(said["b"][first], said["c"][first]))
    assert np.array_equal(sound["b"][first], total(said["a"][first], said["c"][first]))
    assert np.array_equal(sound["c"][first], said["b"][first])
    assert np.array_equal(sound["d"][first], said["c"][first])
    assert np.array_equal(sound["c"][second], total(said["a"][second], said["b"][second]))
    assert np.array_equal(sound["d"][second], total(said["a"][second], said["c"][second]))


def test_a_bridge_goes_on_in_a_room_and_nobody_is_heard_twice(make: Make) -> None:
    pump, said = speakers(make, "abs", 4)
    taps = heard(pump, *"abs")
    pump.command(Bridge("a", "b"))
    for name in "ab":
        pump.command(JoinRoom(name, "spied", hears_from=()))
    pump.command(JoinRoom("s", "spied", speaks=False))
    go(pump, 1.0)
    pump.command(SetMember("s", speaks_to=("a",)))
    pump.command(SetMember("a", hears_from=("s", "b")))
    go(pump, 2.0)
    pump.command(Hold("b", True))
    go(pump, 3.0)
    pump.command(Hold("b", False))
    for name in "ab":
        pump.command(LeaveRoom(name))
    go(pump, 4.0)
    sound = end(pump, taps)
    parts = [slice(n * SECOND, (n + 1) * SECOND) for n in range(4)]
    assert np.array_equal(sound["a"][parts[0]], said["b"][parts[0]])
    assert np.array_equal(sound["b"][parts[0]], said["a"][parts[0]])
    assert np.array_equal(sound["s"][parts[0]], total(said["a"][parts[0]], said["b"][parts[0]]))
    assert np.array_equal(sound["a"][parts[1]], total(said["b"][parts[1]], said["s"][parts[1]]))
    assert np.array_equal(sound["b"][parts[1]], said["a"][parts[1]])
    assert np.array_equal(sound["a"][parts[2]], said["s"][parts[2]])
    assert not sound["b"][parts[2]].any()
    assert np.array_equal(sound["s"][parts[2]], said["a"][parts[2]])
    assert np.array_equal(sound["a"][parts[3]], said["b"][parts[3]])
    assert not sound["s"][parts[3]].any()


def test_what_is_played_to_a_member_is_laid_over_or_mixed_in(make: Make) -> None:
    pump, said = speakers(make, "ab", 3)
    tune = noise(SECOND // 2, 9)
    taps = heard(pump, "a")
    for name in "ab":
        pump.command(JoinRoom(name, "room"))
    pump.command(Play("a", "over", (clip(tune),)))
    go(pump, 1.0)
    pump.command(Play("a", "mixed", (clip(tune),), mix=True))
    go(pump, 2.0)
    pump.command(LeaveRoom("b"))
    pump.command(Play("a", "alone", (clip(tune),), mix=True))
    go(pump, 3.0)
    sound, half, b = end(pump, taps)["a"], SECOND // 2, said["b"]
    assert np.array_equal(sound[:half], tune)
    assert np.array_equal(sound[half:SECOND], b[half:SECOND])
    assert np.array_equal(sound[SECOND : SECOND + half], total(b[SECOND : SECOND + half], tune))
    assert np.array_equal(sound[2 * SECOND : 2 * SECOND + half], tune)
    assert not sound[2 * SECOND + half :].any()


def test_a_member_that_falls_silent_is_silence(make: Make) -> None:
    pump = make("a", "b")
    taps = heard(pump, "b")
    for name in "ab":
        pump.command(JoinRoom(name, "room"))
    pump.command(Say("a", (clip(noise(1234)),)))
    go(pump, 1.0)
    pump.command(Say("a", (clip(noise(800, 2)),)))
    go(pump, 2.0)
    sound = end(pump, taps)["b"]
    assert np.array_equal(sound[:1234], noise(1234)) and not sound[1234:SECOND].any()
    assert np.array_equal(sound[SECOND : SECOND + 800], noise(800, 2)) and not sound[SECOND + 800 :].any()


def test_digits_are_told_and_not_passed_on(make: Make) -> None:
    pump = make("a", "b")
    for name in "ab":
        pump.command(JoinRoom(name, "room"))
    events = pump.command(Press("a", "5")) + go(pump, 1.0)
    assert [event for event in events if isinstance(event, Digit | DigitHeard)] == [Digit("a", "5", 0.0)]


def test_fifty_members_of_two_rooms_hear_their_own_room(make: Make) -> None:
    names = [f"leg{number}" for number in range(50)]
    pump = make(*names)
    said = {name: noise(SECOND // 4, seed) // 8 for seed, name in enumerate(names)}
    taps = heard(pump, *names)
    for number, (name, pcm) in enumerate(said.items()):
        pump.command(Say(name, (clip(pcm),)))
        pump.command(JoinRoom(name, f"room{number % 2}", speaks=number < 40))
    go(pump, 0.25)
    for number, (name, sound) in enumerate(end(pump, taps).items()):
        mates = [said[other] for at, other in enumerate(names) if at % 2 == number % 2 and at < 40]
        own = [said[name]] if number < 40 else []
        sums = np.sum(mates, axis=0, dtype=np.int64) - np.sum(own, axis=0, dtype=np.int64)
        assert np.array_equal(sound, np.clip(sums, -32768, 32767)), name


def test_one_who_says_nothing_hears_the_mix_of_the_room(make: Make) -> None:
    pump, said = speakers(make, "ab", 1)
    pump.command(AddLeg("ear", RATE, PretendSource()))
    for name in "ab":
        pump.command(JoinRoom(name, "room"))
    pump.command(JoinRoom("ear", "room", speaks=False))
    taps = heard(pump, "ear", "a")
    go(pump, 1.0)
    sound = end(pump, taps)
    assert np.array_equal(sound["ear"], total(said["a"], said["b"]))
    assert np.array_equal(sound["a"], said["b"])


def test_steps_of_any_length_give_the_same() -> None:
    found = []
    for step in (0.01, 0.07, 0.5):
        pump = pump_with(*"abc")
        taps = heard(pump, *"abc")
        for seed, name in enumerate("abc"):
            pump.command(Say(name, (clip(noise(5000 + 700 * seed, seed)),)))
            pump.command(JoinRoom(name, "room"))
        run_to(pump, 0.4, step)
        pump.command(SetMember("b", hears=False))
        run_to(pump, 1.0, step)
        found.append(end(pump, taps))
    for other in found[1:]:
        assert all(np.array_equal(other[name], found[0][name]) for name in "abc")


def test_another_room_is_left_and_another_rate_refused() -> None:
    pump, said = speakers(pump_with, "abc", 2)
    taps = heard(pump, *"abc")
    for name in "abc":
        pump.command(JoinRoom(name, "one"))
    go(pump, 1.0)
    pump.command(JoinRoom("a", "two"))
    pump.command(JoinRoom("b", "two", hears=False))
    go(pump, 2.0)
    sound, second = end(pump, taps), slice(SECOND, 2 * SECOND)
    assert np.array_equal(sound["a"][second], said["b"][second])
    assert not sound["b"][second].any() and not sound["c"][second].any()
    pump.command(AddLeg("wide", 24000, PretendSource()))
    with pytest.raises(MediaError, match="cannot join"):
        pump.command(JoinRoom("wide", "two"))
    pump.command(JoinRoom("wide", "three"))


def test_a_room_has_a_most() -> None:
    pump = pump_with()
    for number in range(MOST_MEMBERS + 1):
        pump.command(AddLeg(f"leg{number}", RATE, PretendSource()))
        if number < MOST_MEMBERS:
            pump.command(JoinRoom(f"leg{number}", "room"))
    with pytest.raises(MediaError, match="full"):
        pump.command(JoinRoom(f"leg{MOST_MEMBERS}", "room"))
    pump.command(JoinRoom("leg0", "room", speaks=False))


def tone(rate: int, hertz: float, seconds: float, level: float = 6000) -> Samples:
    pcm: Samples = np.rint(
        level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    ).astype(np.int16)
    return pcm


def two_rates(make: Make, *more: str) -> tuple[Pump, dict[str, KeepingTap]]:
    """Legs ``n`` (8 kHz, 400 Hz), ``w`` (16 kHz, 600 Hz) and more narrow ones, all talking."""
    pump, taps = make(), {}
    for name, rate, hertz in (("n", 8000, 400), ("w", 16000, 600), *((name, 8000, 1000) for name in more)):
        pump.command(AddLeg(name, rate, PretendSource()))
        pump.command(Say(name, (clip(tone(rate, hertz, 4), rate),)))
        taps[name] = KeepingTap(TapPoint(name, Side.WRITE), rate=rate)
        pump.attach(taps[name])
    return pump, taps


def within(sound: Samples, rate: int, begin: float, finish: float) -> dict[int, float]:
    """How loud each tone is between two moments."""
    part = sound[round(begin * rate) : round(finish * rate)]
    return {hertz: round(level(part, hertz, rate) / 6000, 1) for hertz in (400, 600, 1000)}


def test_members_of_two_rates_hear_each_other(make: Make) -> None:
    pump, taps = two_rates(make, "m")
    for name in "nwm":
        pump.command(JoinRoom(name, "room"))
    go(pump, 1.0)
    pump.command(SetMember("w", speaks=False))
    go(pump, 2.0)
    pump.command(SetMember("w", hears_from=("n",)))
    go(pump, 3.0)
    pump.command(LeaveRoom("w"))
    go(pump, 4.0)
    sound = end(pump, taps)
    assert within(sound["n"], 8000, 0.1, 1) == {400: 0, 600: 1, 1000: 1}
    assert within(sound["w"], 16000, 0.1, 1) == {400: 1, 600: 0, 1000: 1}
    assert within(sound["n"], 8000, 1.1, 2) == {400: 0, 600: 0, 1000: 1}
    assert within(sound["w"], 16000, 1.1, 2) == {400: 1, 600: 0, 1000: 1}
    assert within(sound["w"], 16000, 2.1, 3) == {400: 1, 600: 0, 1000: 0}
    assert within(sound["n"], 8000, 2.1, 3) == {400: 0, 600: 1, 1000: 1}
    assert not sound["w"][round(3.1 * 16000) :].any()
    assert within(sound["n"], 8000, 3.1, 4) == {400: 0, 600: 0, 1000: 1}
    # No click: a change elsewhere leaves what was on its way alone.
    steps = np.abs(np.diff(sound["w"][round(0.1 * 16000) : round(0.9 * 16000)].astype(np.int64)))
    assert steps.max() < 4500


def test_a_bridge_of_two_rates_is_heard_passes_digits_and_can_be_held(make: Make) -> None:
    pump, taps = two_rates(make)
    pump.command(Bridge("n", "w"))
    go(pump, 1.0)
    pump.command(Hold("w", True))
    go(pump, 2.0)
    pump.command(Hold("w", False))
    pump.command(JoinRoom("n", "spied"))
    pump.command(JoinRoom("w", "spied"))
    go(pump, 2.5)
    pump.command(LeaveRoom("n"))
    pump.command(LeaveRoom("w"))
    events = pump.command(Press("n", "7")) + go(pump, 3.0)
    pump.command(Bridge("w", "n"))
    go(pump, 3.5)
    pump.command(RemoveLeg("w"))
    go(pump, 4.0)
    sound = end(pump, taps)
    for begin, finish, there in (
        (0.1, 1, 1.0),
        (1.1, 2, 0.0),
        (2.1, 2.5, 1.0),
        (2.6, 3, 1.0),
        (3.1, 3.5, 1.0),
    ):
        assert within(sound["n"], 8000, begin, finish)[600] == there, begin
        assert within(sound["w"], 16000, begin, finish)[400] == there, begin
    assert not sound["n"][round(3.52 * 8000) :].any()
    assert any(isinstance(event, DigitHeard) and event.leg == "w" for event in events)
    with pytest.raises(MediaError, match="hear each other"):
        pump.command(AddLeg("other", 24000, PretendSource()))
        pump.command(Bridge("n", "other"))


def test_a_tap_hears_legs_of_the_other_rate_wherever_its_blocks_end(make: Make) -> None:
    pump, _ = two_rates(make)
    pump.command(Bridge("n", "w"))
    places = TapPoint("n", Side.READ), TapPoint("w", Side.WRITE), TapPoint("w", Side.READ)
    both = TapPoint("n", Side.READ, (TapPoint("w", Side.READ),)), TapPoint("w", Side.MIX)
    taps = {
        f"{rate} {every}": KeepingTap(*places, *both, rate=rate, every=every)
        for rate in (8000, 16000)
        for every in (0, 1600, 5920)
    }
    for tap in taps.values():
        pump.attach(tap)
    go(pump, 2.0)
    end(pump, taps)
    for rate in (8000, 16000):
        said, heard, other, added, mixed = taps[f"{rate} 0"].sound
        for sound, wanted in (
            (said, {400: 1, 600: 0}),
            (heard, {400: 1, 600: 0}),
            (other, {400: 0, 600: 1}),
            (added, {400: 1, 600: 1}),
            (mixed, {400: 0.5, 600: 0.5}),
        ):
            assert len(sound) == 2 * rate
            assert within(sound, rate, 0.1, 2) == {**wanted, 1000: 0}
            assert np.abs(np.diff(sound[rate // 10 :].astype(np.int64))).max() < 6000  # no click
        for every in (1600, 5920):
            assert np.array_equal(taps[f"{rate} {every}"].sound, taps[f"{rate} 0"].sound)
