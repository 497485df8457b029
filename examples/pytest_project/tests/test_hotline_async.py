"""The same in async tests: what waits is awaited. No further plugin is needed; pytest-asyncio works too."""

from __future__ import annotations

import asyncio

from callflow.testing import AsyncCall, AsyncCallflow, assert_event, assert_steps, tone


async def test_dora_puts_the_caller_on_hold(callflow: AsyncCallflow) -> None:
    call = await callflow.call(to="300")
    await call.reached("menu")
    call.press("1")
    dora = await call.ringing("dora")
    dora.answer().hold(after=2).unhold(after=3).hangup(after=5)
    await call.ended()
    assert call.recording.seconds == 10.0
    assert_event(call, "call.unbridged")


async def test_calls_that_are_driven_at_the_same_time(callflow: AsyncCallflow) -> None:
    async def leave_a_message(call: AsyncCall) -> None:
        await call.reached("menu")
        call.press("2")
        call.say(tone(1000, 30))
        await call.recording_started()
        await call.sleep(20)
        call.hangup()
        await call.ended()

    calls = [await callflow.call(to="300", from_number=f"10{number}") for number in range(3)]
    await asyncio.gather(*map(leave_a_message, calls))
    for call in calls:
        assert_steps(call, ["menu", "voicemail"])
        assert call.recording.seconds == 20.0
