"""Playing sound and gathering digits: what is typed when, and what ends what."""

from __future__ import annotations

from pathlib import Path

import pytest

from callflow.engine.call import Call, Digits
from callflow.engine.sound.listening import MOST_TYPED
from callflow.errors import AudioFileError
from callflow.events import DigitPressed
from callflow.media.messages import PcmClip, SilenceClip, StopPlay
from tests.engine.harness import HANGS_UP, World, world

CALLER = "leg-call-1"


def press(here: World, digits: dict[float, str]) -> None:
    for at, digit in digits.items():
        here.at(at, lambda digit=digit: here.media.press(CALLER, digit))  # type: ignore[misc]


def collected(here: World, **how: object) -> tuple[Digits, float]:
    found: list[Digits] = []
    wanted: dict[str, object] = {"max_digits": 4, "timeout_s": 5.0, "interdigit_s": 2.0, **how}

    async def work(call: Call) -> None:
        found.append(await call.collect_digits(**wanted))  # type: ignore[arg-type]

    run = here.with_call(work)
    return found[0], run.duration


def test_play_lasts_as_long_as_its_clips(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            assert await call.play([SilenceClip(2), SilenceClip(1)], loops=2) == ""

        assert here.with_call(work).duration == 6


def test_a_terminator_ends_it_and_is_used_up(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {1: "5", 2: "#", 3: "7"})

        async def work(call: Call) -> None:
            assert await call.play([SilenceClip(30)], terminators="#*") == "#"
            assert call.services.clock.now() == 2
            digits = await call.collect_digits(max_digits=2, timeout_s=5, interdigit_s=5)
            assert digits == Digits("57")  # what was typed ahead counts; the terminator does not

        here.with_call(work)
        assert here.notices == []
        assert [event.digit for event in here.of(DigitPressed)] == ["5", "#", "7"]


def test_the_caller_leaves_during_a_playback(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.caller_does(3, HANGS_UP)

        async def work(call: Call) -> None:
            await call.play([SilenceClip(30)], loops=0)

        assert here.with_call(work).duration == 3
        assert here.steps == [("", "work", "gone")]


def test_what_cannot_be_played_is_an_error(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            with pytest.raises(AudioFileError):
                await call.play([PcmClip(b"", 0)])

        here.with_call(work)
        assert here.notices == []


def test_a_playback_that_is_not_waited_for_any_more_is_stopped(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        import asyncio

        async def work(call: Call) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call.play([SilenceClip(30)]), 2)

        here.with_call(work)
        assert len(here.media.commands(StopPlay)) == 1
        assert here.media.playing(CALLER) == []


def test_all_the_digits(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {1: "1", 2: "2", 3: "3", 4: "4", 4.5: "5"})
        assert collected(here) == (Digits("1234"), 4)


def test_a_terminator_ends_the_digits(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {1: "1", 2: "#"})
        assert collected(here, terminators="#") == (Digits("1", terminator="#"), 2)


def test_nothing_pressed(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert collected(here) == (Digits("", timed_out=True), 5)


def test_the_time_between_digits(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {4: "1", 5.5: "2"})
        assert collected(here) == (Digits("12", timed_out=True), 7.5)


def test_a_prompt_is_cut_short_by_a_digit_that_counts(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {3: "1", 4: "2"})
        assert collected(here, max_digits=2, clips=[SilenceClip(30)]) == (Digits("12"), 4)


def test_the_time_runs_from_the_end_of_the_prompt(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert collected(here, clips=[SilenceClip(30)]) == (Digits("", timed_out=True), 35)


def test_what_was_typed_ahead_skips_the_prompt(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {1: "7"})
        found: list[Digits] = []

        async def work(call: Call) -> None:
            await call.sleep(2)
            found.append(
                await call.collect_digits(max_digits=1, timeout_s=5, interdigit_s=5, clips=[SilenceClip(30)])
            )

        assert here.with_call(work).duration == 2
        assert found == [Digits("7")]


def test_flush_forgets_what_was_typed_ahead(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {1: "7"})

        async def work(call: Call) -> None:
            await call.sleep(2)
            call.flush_digits()
            digits = await call.collect_digits(max_digits=1, timeout_s=5, interdigit_s=5)
            assert digits == Digits("", timed_out=True)

        assert here.with_call(work).duration == 7
        assert here.notices == []


def test_the_caller_leaves_while_typing(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        press(here, {1: "7"})
        here.caller_does(2, HANGS_UP)

        async def work(call: Call) -> None:
            await call.collect_digits(max_digits=4, timeout_s=5, interdigit_s=5)

        assert here.with_call(work).duration == 2


def test_what_is_typed_ahead_is_bounded(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        for number in range(MOST_TYPED + 50):
            press(here, {1 + number / 100: "1234567890"[number % 10]})

        async def work(call: Call) -> None:
            await call.play([SilenceClip(10)])
            digits = await call.collect_digits(max_digits=1000, timeout_s=1, interdigit_s=1)
            assert len(digits.digits) == MOST_TYPED and digits.digits.startswith("12345")

        here.with_call(work)
        assert len(here.of(DigitPressed)) == MOST_TYPED + 50
