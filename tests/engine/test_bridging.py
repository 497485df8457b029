"""Bridging: who is rung when, who wins, what the caller hears, why it failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from callflow.channels.channel import Answered, DialTarget, Ended, Held, TransferRequested
from callflow.engine.call import BridgeResult, Call
from callflow.engine.dialling.ringing import RINGBACK
from callflow.engine.outcome import Stop
from callflow.engine.walker import WalkEnd
from callflow.events import CallAnswered, CallBridged, CallRinging, CallUnbridged, DigitPressed
from callflow.media.messages import Bridge, Hold, Play, SilenceClip, StopPlay, Unbridge
from callflow.recording.messages import LegNotice
from tests.engine.fakes import Plan
from tests.engine.harness import HANGS_UP, World, world


def targets(*names: str, delay: float = 0.0) -> list[DialTarget]:
    return [DialTarget("device", name, delay_s=delay * index) for index, name in enumerate(names)]


def bridged(
    here: World,
    to: Sequence[DialTarget],
    *,
    timeout_s: float = 20,
    answer: bool = False,
    strict: bool = False,
) -> list[BridgeResult]:
    results: list[BridgeResult] = []

    async def work(call: Call) -> Stop:
        results.append(await call.bridge(to, timeout_s=timeout_s, fail_on_single_reject=strict))
        return Stop()

    here.with_call(work, answer=answer)
    return results


def test_an_answered_bridge_ends_with_the_callee_and_then_the_call(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3, end=(10, "NORMAL_CLEARING", 200))
        assert bridged(here, targets("d2")) == [BridgeResult(True, "NORMAL_CLEARING", 200)]
        callee = here.dialer.channels["d2"].leg
        assert [(e.time, e.endpoint) for e in here.of(CallRinging)] == [(0, "device d2")]
        assert [(e.time, e.leg, e.peer) for e in here.of(CallBridged)] == [(3, "leg-call-1", callee)]
        assert [(e.time, e.cause) for e in here.of(CallUnbridged)] == [(10, "NORMAL_CLEARING")]
        assert [e.time for e in here.of(CallAnswered)] == [3]  # the caller's leg follows the callee's answer
        assert (3, Bridge("leg-call-1", callee)) in here.media.sent
        assert here.caller.ended is not None
        assert here.caller.ended.by == "engine"


def test_recordings_hear_of_answer_and_bridge(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3, end=(10, "NORMAL_CLEARING", 200))
        bridged(here, targets("d2"))
        callee = here.dialer.channels["d2"].leg
        assert here.media.commands(LegNotice) == [
            LegNotice("leg-call-1", "answered"),
            LegNotice(callee, "answered"),
            LegNotice("leg-call-1", "bridged"),
            LegNotice(callee, "bridged"),
        ]


def test_the_first_to_answer_wins_and_the_others_lose_the_race(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["slow"] = Plan(answer_s=9)
        here.dialer.plans["quick"] = Plan(answer_s=2, end=(5, "NORMAL_CLEARING", 200))
        assert bridged(here, targets("slow", "quick", "never"))[0].answered
        for loser in ("slow", "never"):
            assert here.dialer.channels[loser].ended == Ended("LOSE_RACE", 0, by="engine")
        assert len(here.of(CallBridged)) == 1


def test_two_answers_at_the_same_instant_make_one_talk(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        for name in ("a", "b"):
            here.dialer.plans[name] = Plan(answer_s=2, end=(5, "NORMAL_CLEARING", 200))
        bridged(here, targets("a", "b"))
        assert len(here.of(CallBridged)) == 1
        assert here.dialer.channels["b"].ended == Ended("LOSE_RACE", 0, by="engine")


def test_delays_and_the_ringing_time_of_each(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert bridged(here, targets("a", "b", delay=5), timeout_s=12) == [
            BridgeResult(False, "NO_ANSWER", 0)
        ]
        assert here.dialer.dialled == [(0, "a"), (5, "b")]
        assert here.clock.now() == 17
        for name in ("a", "b"):
            assert here.dialer.channels[name].ended == Ended("NO_ANSWER", 0, by="engine")


@pytest.mark.parametrize(
    ("cause", "code"), [("USER_BUSY", 486), ("CALL_REJECTED", 603), ("SUBSCRIBER_ABSENT", 0)]
)
def test_why_it_failed_comes_back(tmp_path: Path, cause: str, code: int) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(end=(1, cause, code))
        assert bridged(here, targets("d2")) == [BridgeResult(False, cause, code)]
        assert not here.caller.answered
        assert here.clock.now() == 1  # nobody is left to wait for


def test_a_single_reject_can_end_it_for_all(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["a"] = Plan(end=(1, "CALL_REJECTED", 603))
        here.dialer.plans["b"] = Plan(answer_s=5)
        assert bridged(here, targets("a", "b"), strict=True) == [BridgeResult(False, "CALL_REJECTED", 603)]
        assert here.dialer.channels["b"].ended is not None


def test_nobody_to_ring(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert bridged(here, []) == [BridgeResult(False, "", 0)]


def test_the_caller_leaves_while_it_rings(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.caller_does(4, HANGS_UP)
        assert bridged(here, targets("d2")) == []
        assert here.dialer.channels["d2"].ended == Ended("ORIGINATOR_CANCEL", 0, by="engine")


def test_the_caller_leaves_first(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.caller_does(30, HANGS_UP)
        assert bridged(here, targets("d2")) == []
        callee = here.dialer.channels["d2"]
        assert callee.ended == Ended("NORMAL_CLEARING", 0, by="engine")
        assert [(e.time, e.peer) for e in here.of(CallUnbridged)] == [(30, callee.leg)]
        assert here.steps == [("", "work", "gone")]


# ---- what the caller hears ------------------------------------------------------------------


def test_ringback_until_the_answer(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3, end=(10, "NORMAL_CLEARING", 200))
        here.at(1, lambda: heard.append(here.media.playing("leg-call-1")))
        here.at(4, lambda: heard.append(here.media.playing("leg-call-1")))
        heard: list[object] = []
        bridged(here, targets("d2"))
        assert heard == [[RINGBACK], []]
        assert here.caller.progressed == 1
        [play] = here.media.commands(Play)
        assert isinstance(play, Play)
        assert play.loops == 0


def test_ones_own_ringback(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            await call.bridge(targets("d2"), timeout_s=5, ringback=SilenceClip(1))

        here.with_call(work)
        [play] = here.media.commands(Play)
        assert isinstance(play, Play)
        assert play.clips == (SilenceClip(1),)
        assert here.media.playing("leg-call-1") == []


def test_early_media_takes_the_place_of_ringback(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(early_s=1, end=(4, "USER_BUSY", 486))
        here.dialer.plans["d3"] = Plan(early_s=2)
        bridged(here, targets("d2", "d3"), timeout_s=8)
        early = here.dialer.channels["d2"].leg
        sent = [
            (at, command)
            for at, command in here.media.sent
            if isinstance(command, Bridge | Unbridge | StopPlay | Play)
        ]
        kinds = [(at, type(command).__name__) for at, command in sent]
        assert kinds == [
            (0, "Play"),
            (1, "StopPlay"),
            (1, "Bridge"),
            (4, "Unbridge"),
            (4, "Play"),
            (8, "StopPlay"),
        ]
        assert here.media.commands(Bridge) == [Bridge("leg-call-1", early)]
        assert here.of(CallBridged) == []


# ---- during the talk ------------------------------------------------------------------------


def test_hold_by_either_party(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(
            answer_s=3, end=(10, "NORMAL_CLEARING", 200), then=((5, Held(True)), (6, Held(False)))
        )
        here.caller_does(7, Held(True))
        bridged(here, targets("d2"))
        callee = here.dialer.channels["d2"].leg
        assert here.media.commands(Hold) == [
            Hold(callee, True),
            Hold(callee, False),
            Hold("leg-call-1", True),
        ]


def test_digits_of_both_parties_are_told(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3, end=(10, "NORMAL_CLEARING", 200))
        here.at(4, lambda: here.media.press("leg-call-1", "1"))
        here.at(5, lambda: here.media.press(here.dialer.channels["d2"].leg, "2"))
        bridged(here, targets("d2"))
        assert [(e.time, e.digit) for e in here.of(DigitPressed)] == [(4, "1"), (5, "2")]


def test_bridged_is_true_only_during_the_talk(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        seen: list[bool] = []
        here.dialer.plans["d2"] = Plan(answer_s=3, end=(10, "NORMAL_CLEARING", 200))

        async def work(call: Call) -> None:
            here.services.clock.now()
            call.spawn(watch(call))
            await call.bridge(targets("d2"), timeout_s=20)
            seen.append(call.bridged)

        async def watch(call: Call) -> None:
            for at in (1, 4):
                await call.services.clock.sleep(at)
                seen.append(call.bridged)

        here.with_call(work)
        assert seen == [False, True, False]


def test_a_transfer_without_a_talk_is_refused_with_a_warning(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.caller_does(1, TransferRequested("3000", "blind"))
        bridged(here, targets("d2"), timeout_s=5)
        assert ("warning", "CF-RUN-TRANSFER") in here.notices


def test_a_second_bridge_after_a_failed_one(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(end=(1, "USER_BUSY", 486))
        here.dialer.plans["d3"] = Plan(answer_s=1, end=(5, "NORMAL_CLEARING", 200))
        results: list[bool] = []

        async def work(call: Call) -> None:
            results.extend(
                [(await call.bridge(targets(name), timeout_s=5)).answered for name in ("d2", "d3")]
            )

        run = here.with_call(work)
        assert results == [False, True]
        assert run.walk is WalkEnd.HANGUP


def test_a_target_that_answers_and_leaves_at_once(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(then=((2, Answered()), (2, Ended("NORMAL_CLEARING", 200))))
        assert bridged(here, targets("d2")) == [BridgeResult(True, "NORMAL_CLEARING", 200)]
