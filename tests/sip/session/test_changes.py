"""Changes of a call that is up: hold, resume, another address, glare, UPDATE, session timers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from callflow.channels.channel import Answered, Ended, Held
from callflow.channels.sip.channel import SipChannel
from callflow.channels.sip.sdp import read_sdp
from callflow.clock import VirtualClock
from callflow.media.messages import RtpLost, RtpStream
from tests.sip.session.ground import (
    SETTINGS,
    Phone,
    Side,
    Talk,
    event,
    invite,
    phone,
    sdp,
    side,
    until,
    virtual,
)

TIMED = replace(SETTINGS, session_expires_s=1800, session_min_s=90)


def _stream(one: Side, call: SipChannel) -> RtpStream:
    stream = one.media.streams(call.leg)[-1]
    assert stream is not None
    return stream


async def _talking(bob: Side, ann: Phone, **more: object) -> tuple[Talk, SipChannel]:
    """The phone has called and talks."""
    talk = invite(ann, bob, **more)  # type: ignore[arg-type]
    call = await bob.next_call()
    await call.answer()
    await talk.answered()
    await until(lambda: call.state == "talking")
    return talk, call


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_the_phone_holds_in_each_way_and_resumes_elsewhere(method: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)

            async def change(body: bytes) -> str:
                talk.send(method, body=body)
                ok = await ann.next(200)
                if method == "INVITE":
                    talk.send("ACK", seq=ok.cseq.number)
                return read_sdp(ok.body).media[0].direction

            for body, direction, sends, receives in [
                (sdp(4000, more="a=sendonly"), "recvonly", False, True),
                (sdp(4002, more="a=inactive"), "inactive", False, False),
                (sdp(4004, host="0.0.0.0"), "recvonly", False, True),
            ]:
                assert await change(body) == direction
                assert (_stream(bob, call).sends, _stream(bob, call).receives) == (sends, receives)
            assert await event(call, Held) == Held(True)
            assert await change(sdp(5000, formats="8")) == "sendrecv"
            assert await event(call, Held) == Held(False)
            stream = _stream(bob, call)
            assert (stream.port, stream.codec, stream.sends, stream.receives) == (5000, "PCMA", True, True)

    virtual(main)


def test_the_version_of_our_description_counts_its_changes() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, _ = await _talking(bob, ann)
            versions, ids = [], set()
            for body in (sdp(), sdp(), sdp(more="a=sendonly"), sdp()):
                talk.send("UPDATE", body=body)
                description = read_sdp((await ann.next(200)).body)
                versions.append(description.version)
                ids.add(description.session_id)
            assert versions == [1, 1, 2, 3]
            assert len(ids) == 1

    virtual(main)


def test_an_offer_that_does_not_fit_changes_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            for method in ("INVITE", "UPDATE"):
                talk.send(method, body=sdp(4000, formats="18"))
                await ann.next(488)
                talk.send("ACK", seq=talk.seq)
            assert len(bob.media.streams(call.leg)) == 1
            assert call.ended is None

    virtual(main)


def test_a_re_invite_without_an_offer_gets_ours() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("INVITE")
            ok = await ann.next(200)
            assert read_sdp(ok.body).media[0].formats == ("0", "101")
            talk.send("INVITE")  # before the ACK of the first
            await ann.next(491)
            talk.send("ACK", seq=ok.cseq.number, body=sdp(6000))
            await until(lambda: _stream(bob, call).port == 6000)
            talk.send("INVITE")
            ok = await ann.next(200)
            talk.send("ACK", seq=ok.cseq.number)  # an ACK that should have had the answer
            bye = await ann.next("BYE")
            ann.reply(bye, 200, bob.hop.port)
            assert (await event(call, Ended)).cause == "INCOMPATIBLE_DESTINATION"
            await bob.quiet()

    virtual(main)


def test_a_re_invite_while_one_is_open_is_put_off() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("INVITE", body=sdp())
            ok = await ann.next(200)
            talk.send("INVITE", body=sdp())
            refused = await ann.next(500)
            assert 0 <= int(refused.get("Retry-After")) <= 10
            talk.send("ACK", seq=ok.cseq.number)
            await asyncio.sleep(1)
            assert call.ended is None

    virtual(main)


def test_a_lost_ack_of_a_re_invite_ends_the_call() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("INVITE", body=sdp())
            ann.reply(await ann.next("BYE"), 200, bob.hop.port)
            assert ann.count(200) >= 10
            assert (await event(call, Ended)).cause == "RECOVERY_ON_TIMER_EXPIRE"
            await bob.quiet()

    virtual(main)


def test_glare_ours_is_tried_again_after_a_while() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            await call.hold(True)
            ours = await ann.next("INVITE")
            talk.send("INVITE", body=sdp())  # crosses ours
            await ann.next(491)
            ann.reply(ours, 491, bob.hop.port)
            begun = clock.now()
            again = await ann.next("INVITE")
            assert clock.now() - begun <= 2.0  # the Call-ID is theirs
            assert again.cseq.number == ours.cseq.number + 1
            ann.reply(again, 200, bob.hop.port, body=sdp(4000, more="a=recvonly"))
            await ann.next("ACK")
            await until(lambda: not _stream(bob, call).receives)
            assert _stream(bob, call).sends

    virtual(main)


def test_who_owns_the_call_id_waits_longer_after_a_glare() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            bob.reply(await bob.next("INVITE"), 200, ann.hop.port, body=sdp())
            await event(call, Answered)
            await call.hold(True)
            bob.reply(await bob.next("INVITE"), 491, ann.hop.port)
            begun = clock.now()
            await bob.next("INVITE")
            assert 2.1 <= clock.now() - begun <= 4.1

    virtual(main)


@pytest.mark.parametrize("status", [408, 481])
def test_a_change_that_finds_nobody_ends_the_call(status: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            _, call = await _talking(bob, ann)
            await call.hold(True)
            ann.reply(await ann.next("INVITE"), status, bob.hop.port)
            ann.reply(await ann.next("BYE"), 481, bob.hop.port)
            await event(call, Ended)
            await bob.quiet()

    virtual(main)


def test_a_phone_that_moves_is_found_at_its_new_contact() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann, phone() as elsewhere:
            talk, call = await _talking(bob, ann)
            talk.send("UPDATE", headers=[f"Contact: <sip:100@127.0.0.1:{elsewhere.port}>"])
            await ann.next(200)
            await call.hangup("NORMAL_CLEARING")
            elsewhere.reply(await elsewhere.next("BYE"), 200, bob.hop.port)
            await bob.quiet()

    virtual(main)


def test_a_phone_behind_nat_is_found_where_it_sends_from() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = Talk(ann, bob.hop.port, "c1")
            text = talk.text("INVITE", body=sdp(), headers=["Contact: <sip:100@10.9.8.7:5060>"])
            ann.send(
                text.replace(b"Via: SIP/2.0/UDP 127.0.0.1:", b"Via: SIP/2.0/UDP 10.9.8.7:"), bob.hop.port
            )
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            await call.hangup("NORMAL_CLEARING")
            bye = await ann.next("BYE")
            assert bye.uri.host == "10.9.8.7"
            ann.reply(bye, 200, bob.hop.port)
            await bob.quiet()

    virtual(main)


# ---- session timers ------------------------------------------------------------------------


def test_the_phone_refreshes_and_once_it_does_not_the_call_ends() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, settings=TIMED) as bob, phone() as ann:
            headers = ["Supported: timer", "Session-Expires: 300;refresher=uac"]
            talk = invite(ann, bob, headers=headers)
            call = await bob.next_call()
            await call.answer()
            ok = await talk.answered()
            assert ok.get("Session-Expires") == "300;refresher=uac"
            assert "timer" in ok.require
            for _ in range(3):
                await asyncio.sleep(200)
                talk.send("UPDATE", headers=headers)
                assert (await ann.next(200)).get("Session-Expires") == "300;refresher=uac"
            last = clock.now()
            ann.reply(await ann.next("BYE", 400), 200, bob.hop.port)
            assert 267 < clock.now() - last < 270  # 300 s less 32 s
            assert (await event(call, Ended)).cause == "RECOVERY_ON_TIMER_EXPIRE"
            await bob.quiet()

    virtual(main)


@pytest.mark.parametrize(("allow", "method"), [("UPDATE, INVITE", "UPDATE"), ("INVITE", "INVITE")])
def test_we_refresh_at_half_time_and_end_the_call_when_nobody_answers(allow: str, method: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, settings=TIMED) as bob, phone() as ann:
            headers = ["Supported: timer", "Session-Expires: 300;refresher=uas", f"Allow: {allow}"]
            _, call = await _talking(bob, ann, headers=headers)
            for number in (1, 2):
                ask = await ann.next(method, 200)
                assert 149 < clock.now() / number < 152
                assert ask.get("Session-Expires") == "300;refresher=uac"
                body = sdp() if method == "INVITE" else b""
                again = [("Session-Expires", "300;refresher=uac"), ("Require", "timer")]
                ann.reply(ask, 200, bob.hop.port, headers=again, body=body)
            assert call.ended is None
            assert len(bob.media.streams(call.leg)) == 1
            await ann.next(method, 200)
            ann.reply(await ann.next("BYE", 100), 200, bob.hop.port)
            assert (await event(call, Ended)).cause == "RECOVERY_ON_TIMER_EXPIRE"
            await bob.quiet()

    virtual(main)


@pytest.mark.parametrize("refresher", ["uac", "uas"])
def test_session_timers_of_calls_out(refresher: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, settings=TIMED) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            assert asked.get("Session-Expires") == "1800"
            headers = [("Session-Expires", f"200;refresher={refresher}"), ("Allow", "UPDATE")]
            bob.reply(asked, 200, ann.hop.port, headers=headers, body=sdp())
            await event(call, Answered)
            if refresher == "uac":
                bob.reply(await bob.next("UPDATE", 120), 405, ann.hop.port)
                ask = await bob.next("INVITE")  # then so
                bob.reply(ask, 200, ann.hop.port, body=sdp())  # without a timer from now on
                await asyncio.sleep(2000)
                assert call.ended is None
            else:
                bob.reply(await bob.next("BYE", 300), 200, ann.hop.port)
                assert 167 < clock.now() < 170
                await event(call, Ended)
                await ann.quiet()

    virtual(main)


def test_both_ends_keep_their_session_alive() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, settings=TIMED) as ann, side(clock, seed=2, settings=TIMED) as bob:
            out = await ann.dial(bob.hop.port)
            come = await bob.next_call()
            await come.answer()
            await event(out, Answered)
            await asyncio.sleep(3 * 3600)
            assert out.ended is None
            assert come.ended is None
            assert bob.stack.heard("UPDATE") >= 11
            await out.hangup("NORMAL_CLEARING")
            await event(come, Ended)
            await ann.quiet()
            await bob.quiet()

    virtual(main)


def test_a_brief_interval_of_a_re_invite_is_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, settings=TIMED) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("UPDATE", headers=["Supported: timer", "Session-Expires: 30"])
            assert (await ann.next(422)).get("Min-SE") == "90"
            assert call.ended is None

    virtual(main)


# ---- silence ---------------------------------------------------------------------------------


async def _silent(bob: Side, call: SipChannel, minutes: int) -> None:
    """The media tells silence after silence, as long as it is asked to go on watching."""
    for _ in range(minutes):
        asked = len(bob.media.streams(call.leg))
        await asyncio.sleep(60)
        bob.media.emit(RtpLost(call.leg, bob.clock.now(), 60.0))
        assert call.ended is not None or len(bob.media.streams(call.leg)) == asked + 1


def test_a_held_call_may_be_silent_longer() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("UPDATE", body=sdp(more="a=sendonly"))
            await ann.next(200)
            await _silent(bob, call, 9)
            await asyncio.sleep(300)  # music again, for a while
            await _silent(bob, call, 9)
            assert call.ended is None
            await _silent(bob, call, 1)
            assert (await event(call, Held)).held
            assert (await event(call, Ended)).cause == "MEDIA_TIMEOUT"
            ann.reply(await ann.next("BYE"), 200, bob.hop.port)
            await bob.quiet()

    virtual(main)


def test_a_phone_may_be_silent_until_it_is_answered() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.progress()
            await _silent(bob, call, 15)
            assert call.ended is None
            asked = len(bob.media.streams(call.leg))
            await call.answer()
            assert len(bob.media.streams(call.leg)) == asked + 1
            await talk.answered()
            await _silent(bob, call, 1)
            assert (await event(call, Ended)).cause == "MEDIA_TIMEOUT"

    virtual(main)


def test_a_call_held_without_any_sound_ends_unless_it_is_resumed() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("UPDATE", body=sdp(more="a=inactive"))
            await ann.next(200)
            await asyncio.sleep(500)
            talk.send("UPDATE", body=sdp())
            await ann.next(200)
            await asyncio.sleep(1000)
            assert call.ended is None
            talk.send("UPDATE", body=sdp(more="a=inactive"))
            await ann.next(200)
            begun = clock.now()
            ann.reply(await ann.next("BYE", 1000), 200, bob.hop.port)
            assert 599 < clock.now() - begun < 601
            await event(call, Ended)

    virtual(main)
