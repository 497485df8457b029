"""The hotline, a step at a time. Time is virtual: a minute of call takes milliseconds."""

from __future__ import annotations

import pytest

from callflow.testing import Callflow, assert_event, assert_heard, assert_silent, assert_steps, silence, tone


def test_one_leads_to_dora_and_the_talk_is_recorded(callflow: Callflow) -> None:
    call = callflow.call(to="300")
    call.callee("dora").answer(after=3).say(tone(440, 2))

    call.reached("menu")
    call.sleep(1).press("1")
    assert not call.recordings or call.recording.state == "WAITING"

    call.bridged()
    assert call.recording_started().state == "RECORDING"
    call.say(silence(2), tone(1000, 2)).said()
    call.hangup().ended()

    assert_steps(call, ["menu", "record_call", "user"])
    recording = call.recording
    assert recording.state == "READY"
    assert recording.seconds == pytest.approx(4.0, abs=0.1)
    assert_heard(recording.left, tone(1000, 2))
    assert_heard(recording.right, tone(440, 2))


def test_emil_answers_when_dora_is_busy(callflow: Callflow) -> None:
    call = callflow.call(to="300")
    call.callee("dora").reject("USER_BUSY", after=1)
    call.callee("emil").answer(after=2).hangup(after=10)

    call.reached("menu")
    call.press("1").ended()

    assert_steps(call, ["menu", "record_call", "user", "user"])
    assert_event(call, "call.bridged", {"endpoint": "device emil-desk"})
    assert call.recording.seconds == pytest.approx(10.0, abs=0.1)
    assert_silent(call.recording.left)


def test_nobody_there_and_nothing_is_recorded(callflow: Callflow) -> None:
    call = callflow.call(to="300")
    call.reached("menu")
    call.press("1").ended()

    assert_steps(call, ["menu", "record_call", "user", "user"])
    assert call.recording.state == "CANCELLED"
    assert call.seconds == 30, "both have rung for 15 seconds"


def test_two_calls_at_once(callflow: Callflow) -> None:
    first, second = callflow.call(to="300"), callflow.call(to="300", from_number="1001")
    first.reached("menu")
    second.reached("menu")
    first.press("1")
    second.press("2")
    first.ringing("dora").answer()
    second.reached("voicemail")
    callflow.sleep(5)
    first.hangup().ended()
    second.hangup().ended()
    assert_steps(first, ["menu", "record_call", "user"])
    assert_steps(second, ["menu", "voicemail"])


@pytest.mark.callflow(settings={"media.record_stereo": False})
def test_mono_has_both_in_one_channel(callflow: Callflow) -> None:
    call = callflow.call(to="300")
    call.callee("dora").answer().say(tone(440, 2))
    call.reached("menu")
    call.press("1").bridged()
    call.sleep(3).hangup().ended()
    assert call.recording.channels == 1
    assert_heard(call.recording.mono, tone(440, 2))
