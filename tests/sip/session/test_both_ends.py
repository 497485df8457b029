"""Calls between two endpoints of ours: whole calls, on a wire that loses what it should not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from callflow.channels.channel import Answered, Ended, Held
from callflow.clock import VirtualClock
from callflow.media.messages import AddLeg, RtpStream
from tests.sip.session.ground import Side, early, event, side, until, virtual


def _stream(one: Side, leg: str) -> RtpStream:
    stream = one.media.streams(leg)[-1]
    assert stream is not None
    return stream


def test_a_call_is_answered_talks_and_is_hung_up_by_the_caller() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            out = await ann.dial(bob.hop.port)
            assert isinstance(ann.media.sent[0], AddLeg)
            come = await bob.next_call()
            assert come.call_id == out.call_id
            await come.answer()
            assert come.answered
            await event(out, Answered)
            a, b = _stream(ann, out.leg), _stream(bob, come.leg)
            assert (a.codec, a.event_payload, b.codec, b.event_payload) == ("PCMU", 101, "PCMU", 101)
            assert (a.port, b.port) == (bob.ports.given[0].port, ann.ports.given[0].port)
            await out.hangup("USER_BUSY")
            gone = await event(come, Ended)
            assert gone == Ended("USER_BUSY", 200)
            assert out.ended == Ended("USER_BUSY", 0, "engine")
            await ann.quiet()
            await bob.quiet()

    virtual(main)


@pytest.mark.parametrize(
    "lost", ["INVITE", "SIP/2.0 100", "SIP/2.0 183", "SIP/2.0 200", "ACK", "BYE", "PRACK"]
)
def test_whatever_is_lost_once_the_call_goes_on(lost: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            gone: list[bytes] = []

            def lose(data: bytes) -> bool:
                if data.startswith(lost.encode()) and len(gone) < 2:
                    gone.append(data)
                    return True
                return False

            ann.stack.lose = bob.stack.lose = lose
            out = await ann.dial(bob.hop.port)
            come = await bob.next_call()
            await come.progress()
            await early(ann, out)
            await come.answer()
            await event(out, Answered)
            await until(lambda: come.state == "talking")
            await come.hangup("NORMAL_CLEARING")
            assert (await event(out, Ended)).cause == "NORMAL_CLEARING"
            assert gone
            await ann.quiet()
            await bob.quiet()

    virtual(main)


def test_nothing_but_losses_ends_both_sides() -> None:
    """ACK never arrives: the answerer hangs up after 32 s, and the BYE gets through."""

    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            bob.stack.lose = lambda data: data.startswith(b"ACK")
            out = await ann.dial(bob.hop.port)
            come = await bob.next_call()
            await come.answer()
            await event(out, Answered)
            begun = clock.now()
            assert (await event(come, Ended)).cause == "RECOVERY_ON_TIMER_EXPIRE"
            assert 31 < clock.now() - begun < 33
            assert ann.stack.heard("SIP/2.0 200") >= 10  # retransmitted until the end
            await event(out, Ended)
            await ann.quiet()
            await bob.quiet()

    virtual(main)


def test_hanging_up_before_the_answer_cancels() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            out = await ann.dial(bob.hop.port)
            come = await bob.next_call()
            await out.hangup("LOSE_RACE")
            assert ann.media.legs() == set()  # at once, whatever the far end does
            assert await event(come, Ended) == Ended("ORIGINATOR_CANCEL", 487)
            await ann.quiet()
            await bob.quiet()
            [cancel] = [data for data in bob.stack.seen if data.startswith(b"CANCEL")]
            assert b'Reason: SIP;cause=200;text="Call completed elsewhere"' in cancel

    virtual(main)


def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            out = await ann.dial(bob.hop.port)
            come = await bob.next_call()
            await come.answer()
            assert not out.answered
            await out.hangup("ORIGINATOR_CANCEL")
            assert (await event(come, Ended)).cause == "NORMAL_CLEARING"
            assert bob.stack.heard("ACK") == 1
            assert bob.stack.heard("BYE") == 1
            await ann.quiet()
            await bob.quiet()

    virtual(main)


def test_a_refusal_brings_its_cause_and_code() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            for number, (cause, code, then) in enumerate(
                [
                    ("USER_BUSY", 0, ("USER_BUSY", 486)),
                    ("CALL_REJECTED", 403, ("CALL_REJECTED", 403)),
                    ("NORMAL_CLEARING", 0, ("NORMAL_CLEARING", 480)),
                ],
                1,
            ):
                out = await ann.dial(bob.hop.port)
                come = await bob.next_call(number)
                await come.hangup(cause, code, "No\r\nWay")
                ended = await event(out, Ended)
                assert (ended.cause, ended.code) == then
            await ann.quiet()
            await bob.quiet()
            assert ann.locator.outcomes == [486, 403, 480]

    virtual(main)


def test_nobody_there_is_told_as_such() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann:
            out = await ann.dial(9)
            assert await event(out, Ended) in (
                Ended("NO_USER_RESPONSE", 408),
                Ended("NORMAL_TEMPORARY_FAILURE", 503),
            )
            assert ann.locator.outcomes == [0]
            await ann.quiet()

    virtual(main)


def test_hold_and_resume_by_re_invite() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            out = await ann.dial(bob.hop.port)
            come = await bob.next_call()
            await come.answer()
            await event(out, Answered)
            for held in (True, False):
                await out.hold(held)
                assert await event(come, Held) == Held(held)
                stream = _stream(bob, come.leg)
                assert stream.sends is not held
                assert stream.receives
                await until(lambda held=held: _stream(ann, out.leg).receives is not held)  # type: ignore[misc]
            assert bob.stack.heard("INVITE") == 3
            await come.hangup("NORMAL_CLEARING")
            await event(out, Ended)
            await ann.quiet()
            await bob.quiet()

    virtual(main)


def test_both_hold_at_once_and_both_get_through_in_the_end() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            out = await ann.dial(bob.hop.port)
            come = await bob.next_call()
            await come.answer()
            await event(out, Answered)
            await until(lambda: come.state == "talking")
            await asyncio.gather(out.hold(True), come.hold(True))
            await until(lambda: not _stream(ann, out.leg).sends and not _stream(ann, out.leg).receives)
            await until(lambda: not _stream(bob, come.leg).sends and not _stream(bob, come.leg).receives)
            assert ann.stack.heard("SIP/2.0 491") + bob.stack.heard("SIP/2.0 491") >= 1
            await out.hangup("NORMAL_CLEARING")
            await event(come, Ended)
            await ann.quiet()
            await bob.quiet()

    virtual(main)


def test_closing_an_endpoint_hangs_up_all_of_its_calls() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1) as ann, side(clock, seed=2) as bob:
            first = await ann.dial(bob.hop.port)
            await (await bob.next_call(1)).answer()
            await event(first, Answered)
            second = await ann.dial(bob.hop.port)
            await bob.next_call(2)
            await bob.endpoint.close()
            assert bob.endpoint.calls == 0
            await event(first, Ended)
            assert (await event(second, Ended)).code == 503
            await ann.quiet()

    virtual(main)


def test_a_call_over_tcp_whose_connection_breaks_is_found_at_its_contact() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, seed=1, transport="tcp") as ann, side(clock, seed=2, transport="tcp") as bob:
            out = await ann.dial(bob.hop.port, hop=replace(bob.hop))
            come = await bob.next_call()
            await come.answer()
            await event(out, Answered)
            await until(lambda: come.state == "talking")
            for connection in tuple(bob.stack._transports._connections.values()):
                connection.close()
            await asyncio.sleep(1)
            await come.hangup("NORMAL_CLEARING")
            await event(out, Ended)
            await ann.quiet()
            await bob.quiet()

    virtual(main)
