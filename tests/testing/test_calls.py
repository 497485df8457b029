"""Calls that a test drives: the plugin's own fixtures, used as its users use them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from callflow.errors import EngineError, NoFlow, ScenarioError
from callflow.events import CallBridged, as_json
from callflow.testing import (
    AsyncCall,
    AsyncCallflow,
    Callflow,
    RecordingReceiver,
    assert_event,
    assert_heard,
    assert_no_errors,
    assert_not_heard,
    assert_silent,
    assert_steps,
    assert_uploaded,
    silence,
    tone,
)

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.callflow(account=ROOT / "examples/office")


def node(module: str, data: dict[str, Any] | None = None, **children: Any) -> dict[str, Any]:
    keys = {("_" if key == "then" else key.removeprefix("k")): child for key, child in children.items()}
    return {"module": module, "data": data or {}, "children": keys}


RECORD = {"action": "start", "format": "wav"}
TALK = node("record_call", RECORD, then=node("user", {"id": "alice"}))
MENU = node("menu", {"id": "main"}, k1=node("user", {"id": "bob"}), k2=node("park"))


def test_a_call_of_many_parts(callflow: Callflow) -> None:
    call = callflow.call(flow=TALK)
    call.callee("alice").answer(after=2).say(tone(440, 1))
    assert call.recording_started().seconds == 0.0
    assert call.reached("user").path == "/children/_"
    assert call.bridged().endpoint == "device alice-desk"
    assert callflow.now == 2.0
    call.say(silence(1), tone(1000, 1)).said()
    assert callflow.now == pytest.approx(4.0, abs=0.03)
    with pytest.raises(AssertionError, match="the call is not over"):
        _ = call.cause
    call.hangup().ended()
    assert call.over and call.cause == "NORMAL_CLEARING" and call.ended_by == "party"
    assert_steps(call, ["record_call", "user"])
    assert_steps(call, ["...", "user"])
    assert_no_errors(call)
    recording = call.recording
    assert (recording.state, recording.reason, recording.channels) == ("READY", "hangup", 2)
    assert recording.seconds == pytest.approx(4.0, abs=0.03)
    assert assert_heard(recording.left, tone(1000, 1)).at == pytest.approx(3.0, abs=0.02)
    assert assert_heard(recording.right, tone(440, 1)).at == pytest.approx(2.0, abs=0.02)
    assert_not_heard(recording.left, tone(440, 1))
    assert_silent(recording.left.between(0, 2.9))
    assert "recording 1 started at 0.0 s" in call.picture


def test_a_callee_who_is_named_after_it_rings_takes_its_leg(callflow: Callflow) -> None:
    call = callflow.call(flow=TALK)
    alice = call.ringing("alice-desk")
    callflow.sleep(3)
    alice.answer()
    call.bridged()
    assert callflow.now == 3.0
    alice.hangup(after=2)
    call.ended()
    assert call.seconds == 5.0


def test_who_is_told_nothing_lets_it_ring(callflow: Callflow) -> None:
    call = callflow.call(flow=TALK)
    call.ended()
    assert [step.did for step in call.walk][-1].endswith("NO_ANSWER")
    assert call.recording.state == "READY" and not call.of(CallBridged)


def test_reject_and_early_media(callflow: Callflow) -> None:
    call = callflow.call(flow=TALK)
    call.callee().early(tone(440, 1)).reject("CALL_REJECTED", after=2)
    call.ended()
    assert call.seconds == pytest.approx(2.0)
    assert_heard(call.recording.right, tone(440, 1))
    assert "CALL_REJECTED" in call.walk[-1].did


def test_digits_and_paths_and_events(callflow: Callflow) -> None:
    call = callflow.call(flow=MENU)
    call.reached("/")
    call.press("1")
    assert call.event("call.digit").NAME == "call.digit"
    call.reached("/children/1")
    call.callee("bob").answer().press("5", after=1)
    call.event("call.digit", {"digit": "5"})
    call.hangup().ended()
    assert assert_event(call, "call.digit", {"digit": "5"}).time == pytest.approx(callflow.now, abs=0.5)


def test_hold_and_transfer(callflow: Callflow) -> None:
    call = callflow.call(flow=TALK)
    call.callee("alice").answer().say(tone(440, 60)).transfer("2002", after=5)
    call.bridged()
    call.sleep(1).hold().sleep(1).unhold()
    bob = call.ringing("bob")
    bob.answer().say(tone(1000, 2))
    call.bridged()
    call.sleep(3).hangup().ended()
    assert_event(call, "call.transferred", {"target": "2002"})
    assert_heard(call.recording.right, tone(1000, 2))


def test_the_second_wait_is_for_the_second_time(callflow: Callflow) -> None:
    call = callflow.call(flow=node("sleep", {"duration": 2}, then=node("sleep", {"duration": 3})))
    assert [call.reached("sleep").path, call.reached("sleep").path] == ["", "/children/_"]
    assert callflow.now == 2.0
    with pytest.raises(AssertionError, match="it did not come, and the call is over"):
        call.reached("sleep")


def test_what_does_not_come_is_told_with_the_story(callflow: Callflow) -> None:
    call = callflow.call(flow=TALK)
    with pytest.raises(AssertionError) as failure:
        call.reached("voicemail", within=5)
    text = str(failure.value)
    assert text.startswith("waited until the call reaches voicemail: it did not come within 5 s")
    assert "0.00 s  reached user at /children/_" in text and "5.00 s  (now)" in text
    assert callflow.now == 5.0
    with pytest.raises(AssertionError, match="did not end within 1 s"):
        call.ended(within=1)
    call.hangup().ended()
    with pytest.raises(AssertionError, match="the call is over: the caller can do nothing more"):
        call.press("1")
    with pytest.raises(AssertionError, match="nobody can do anything more"):
        call.callee("alice").answer()


def test_assertions_say_what_came(callflow: Callflow) -> None:
    call = callflow.call(flow=node("hangup"))
    call.ended()
    with pytest.raises(AssertionError, match=r"(?s)- menu.*\+ hangup.*- expected, \+ came"):
        assert_steps(call, ["menu"])
    with pytest.raises(AssertionError, match=r"(?s)no event call.ended with .*USER_BUSY.*NORMAL_CLEARING"):
        assert_event(call, "call.ended", {"cause": "USER_BUSY"})
    with pytest.raises(AssertionError, match=r"there is no event 'call.finished'; there are: .*call.ended"):
        assert_event(call, "call.finished")
    with pytest.raises(AssertionError, match="has 0 recordings, not one"):
        _ = call.recording


def test_mistakes_are_told_at_once(callflow: Callflow) -> None:
    with pytest.raises(NoFlow):
        callflow.call(to="555")
    with pytest.raises(ScenarioError, match="no audio file"):
        callflow.call(flow=TALK).say("not-there.wav")
    with pytest.raises(EngineError, match="runs already"):
        callflow.settings({"media.record_stereo": False})


def test_what_is_said_before_the_first_call(callflow: Callflow) -> None:
    callflow.settings({"media.record_stereo": False})
    callflow.variables({"WHO": "zoe"})
    callflow.document("user", "zoe", {"first_name": "Zoe"})
    callflow.document("device", "zoe-desk", {"owner_id": "zoe", "sip": {"username": "zoe"}})
    call = callflow.call(flow=node("record_call", RECORD, then=node("user", {"id": "{WHO}"})))
    call.callee("zoe").answer().say(tone(440, 1)).hangup(after=2)
    call.ended()
    assert_heard(call.recording.mono, tone(440, 1))
    with pytest.raises(AssertionError, match="no left and right"):
        _ = call.recording.left


def test_a_scenario_is_played_to_its_end(callflow: Callflow) -> None:
    call = callflow.play({"caller": {"hangup_after": 3}}, flow=TALK)
    assert call.seconds == 3.0 and call.recording.seconds == 3.0


def test_a_run_repeats_to_the_event(callflow_sync: Callflow, callflow_async: AsyncCallflow) -> None:
    """The sync and the async twin, on two engines: the same calls tell the same."""

    def sync_way() -> list[dict[str, Any]]:
        call = callflow_sync.call(flow=MENU)
        call.callee("bob").answer(after=1).hangup(after=2)
        call.reached("menu")
        call.press("1")
        call.ended()
        return [as_json(event) for event in call.events]

    async def async_way() -> list[dict[str, Any]]:
        call = await callflow_async.call(flow=MENU)
        call.callee("bob").answer(after=1).hangup(after=2)
        await call.reached("menu")
        call.press("1")
        await call.ended()
        return [as_json(event) for event in call.events]

    assert sync_way() == asyncio.run(async_way())


async def test_of_tasks_that_wait_at_once_each_gets_its_turn(callflow: AsyncCallflow) -> None:
    """While one does something at the moment it waited for, time stands still for the others."""
    moments = []

    async def press_at(call: AsyncCall, second: float) -> None:
        time.sleep(0.01)  # noqa: ASYNC251 - the engine's thread could run ahead before the next task waits
        await call.sleep(second)
        call.press("1")
        pressed = callflow.now
        await call.event("call.digit")
        moments.append((second, pressed, call.events[-1].time))
        call.hangup()
        await call.ended()

    calls = [await callflow.call(flow=node("park")) for _ in range(4)]
    await asyncio.gather(*(press_at(call, 1.0 + number / 7) for number, call in enumerate(calls)))
    assert [second for second, *_ in moments] == pytest.approx([1.0, 1 + 1 / 7, 1 + 2 / 7, 1 + 3 / 7])
    assert all(pressed == pytest.approx(second, abs=0.02) for second, pressed, _ in moments), moments


async def test_an_async_call_has_all_that_a_sync_one_has(
    callflow: AsyncCallflow, receiver: RecordingReceiver
) -> None:
    receiver.fail(503, times=2, retry_after=1).cut(0.3).late(0.0)
    flow = node("record_call", {**RECORD, "url": "{RECEIVER}/r"}, then=node("user", {"id": "alice"}))
    call = await callflow.call(flow=flow)
    await call.recording_started()
    (await call.ringing("alice")).answer()
    await call.answered()
    await call.bridged()
    await call.say(tone(440, 1)).said()
    await call.sleep(0.5)
    call.hangup()
    finished = await call.recording_finished()
    await call.ended()
    await call.delivered()
    assert receiver.statuses == [503, 503, 0, 201]
    with pytest.raises(AssertionError, match=r"waited 0\.05 s for 5 requests, 4 came"):
        receiver.wait_for(5, timeout=0.05)
    kept = assert_uploaded(finished, receiver)
    assert kept.read_bytes() == call.recording.file.read_bytes()
    other = await callflow.play({"caller": {"hangup_after": 1}}, flow=node("record_call", RECORD))
    with pytest.raises(AssertionError, match="was not uploaded"):
        assert_uploaded(other.recording, receiver)
    await callflow.sleep(1)


def test_a_receiver_that_always_fails_is_not_waited_for_ever(
    callflow: Callflow, receiver: RecordingReceiver
) -> None:
    receiver.fail(500, times=0)
    flow = node("record_call", {**RECORD, "url": "{RECEIVER}/r"}, then=node("sleep", {"duration": 1}))
    call = callflow.call(flow=flow)
    call.ended()
    call.delivered()
    assert set(receiver.statuses) == {500} and len(receiver.requests) == 8
