"""An INVITE of ours: early media, PRACK, forks, challenges, 3xx, CANCEL, what an answer may be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from callflow.channels.channel import Answered, DialTarget, Ended, Party
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.locate import Way
from callflow.channels.sip.message import Request
from callflow.channels.sip.sdp import read_sdp
from callflow.channels.sip.session_outgoing import MOST_FORKS
from callflow.channels.sip.session_redirect import MOST_TARGETS
from callflow.clock import VirtualClock
from callflow.documents.settings import load_settings
from callflow.media.messages import RtpBegan, RtpStream
from tests.sip.session.ground import (
    SETTINGS,
    Phone,
    Side,
    Talk,
    early,
    event,
    phone,
    sdp,
    side,
    until,
    virtual,
)

DIGEST = 'Digest realm="gw", nonce="{}", algorithm=MD5, qop="auth"'


def _stream(one: Side, leg: str) -> RtpStream:
    stream = one.media.streams(leg)[-1]
    assert stream is not None
    return stream


def test_early_media_then_the_answer() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            assert asked.from_.uri.user == "100"
            assert asked.from_.display == "Ann"
            assert {"100rel", "timer", "replaces"} <= asked.supported
            assert read_sdp(asked.body).media[0].formats == ("0", "8", "9", "101")
            to = ann.hop.port
            bob.reply(asked, 180, to)
            bob.reply(asked, 183, to, body=sdp(4000))
            bob.reply(asked, 183, to, body=sdp(4000))
            await early(ann, call)
            assert _stream(ann, call.leg).port == 4000
            bob.reply(asked, 200, to, body=sdp(4002))
            ack = await bob.next("ACK")
            assert (ack.cseq.number, ack.to.tag) == (asked.cseq.number, "ph")
            await event(call, Answered)  # and no second EarlyMedia before it
            assert _stream(ann, call.leg).port == 4002
            bob.reply(asked, 200, to, body=sdp(4002))  # retransmitted: our ACK was lost
            await until(lambda: bob.count("ACK") == 2)
            await call.hangup("NORMAL_CLEARING")
            bob.reply(await bob.next("BYE"), 200, to)
            await ann.quiet()
            assert ann.locator.outcomes == [200]

    virtual(main)


@pytest.mark.parametrize("sends", [False, True])
def test_sdp_before_the_answer_is_no_early_media_until_something_is_heard(sends: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            bob.reply(asked, 183, ann.hop.port, body=sdp(4000))
            await until(lambda: bool(ann.media.streams(call.leg)))
            await clock.sleep(5.0)
            assert call._events.empty()
            if sends:
                await early(ann, call)
                ann.media.emit(RtpBegan(call.leg, 6.0, "127.0.0.1", 4002))  # latched anew: told once
            bob.reply(asked, 200, ann.hop.port)
            assert isinstance(await call.next_event(), Answered)
            ann.media.emit(RtpBegan(call.leg, 7.0, "127.0.0.1", 4000))
            await clock.sleep(0.1)
            assert call._events.empty(), "what comes after the answer is not early"

    virtual(main)


def test_an_answer_without_sdp_is_the_one_of_the_183() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            bob.reply(asked, 183, ann.hop.port, body=sdp(4000))
            await early(ann, call)
            bob.reply(asked, 200, ann.hop.port)
            await event(call, Answered)
            assert len(set(ann.media.streams(call.leg))) == 1

    virtual(main)


@pytest.mark.parametrize("body", [b"", b"rubbish", sdp(0), sdp(4000, formats="18")])
def test_an_answer_that_we_cannot_use_is_acknowledged_and_hung_up(body: bytes) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            bob.reply(asked, 200, ann.hop.port, body=body)
            await bob.next("ACK")
            bob.reply(await bob.next("BYE"), 200, ann.hop.port)
            assert (await event(call, Ended)).cause == "INCOMPATIBLE_DESTINATION"
            await ann.quiet()

    virtual(main)


def test_reliable_provisional_responses_get_their_prack_once_and_in_order() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            to = ann.hop.port

            def reliable(rseq: int, body: bytes = b"") -> None:
                headers = [("Require", "100rel"), ("RSeq", str(rseq))]
                bob.reply(asked, 183, to, headers=headers, body=body)

            reliable(7, sdp(4000))
            first = await bob.next("PRACK")
            assert first.get("RAck") == f"7 {asked.cseq.number} INVITE"
            assert first.cseq.number == asked.cseq.number + 1
            bob.reply(first, 200, to)
            reliable(7)  # a copy
            reliable(9)  # one was lost before it
            reliable(8)
            second = await bob.next("PRACK")
            assert second.get("RAck").startswith("8 ")
            bob.reply(second, 200, to)
            await early(ann, call)
            await asyncio.sleep(3)
            assert bob.count("PRACK") == 2

    virtual(main)


def test_of_a_forked_call_the_first_answer_wins_and_the_others_are_hung_up() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            to = ann.hop.port
            bob.reply(asked, 183, to, tag="one", body=sdp(4000))
            bob.reply(asked, 180, to, tag="two")
            await early(ann, call)
            bob.reply(asked, 200, to, tag="two", body=sdp(4002))
            assert (await bob.next("ACK")).to.tag == "two"
            await event(call, Answered)
            assert _stream(ann, call.leg).port == 4002
            bob.reply(asked, 200, to, tag="one", body=sdp(4000))
            assert (await bob.next("ACK")).to.tag == "one"
            bye = await bob.next("BYE")
            assert bye.to.tag == "one"
            bob.reply(bye, 200, to)
            bob.reply(asked, 200, to, tag="one", body=sdp(4000))  # a copy: its ACK was lost
            assert (await bob.next("ACK")).to.tag == "one"
            await asyncio.sleep(40)
            assert bob.count("BYE") == 1
            assert call.ended is None
            assert _stream(ann, call.leg).port == 4002

    virtual(main)


def test_forks_are_bounded() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            for number in range(MOST_FORKS + 10):
                headers = [("Require", "100rel"), ("RSeq", "1")]
                bob.reply(asked, 183, ann.hop.port, tag=f"t{number}", headers=headers)
            await asyncio.sleep(0.4)
            assert bob.count("PRACK") == MOST_FORKS
            await call.hangup("ORIGINATOR_CANCEL")

    virtual(main)


def _challenge(asked: Request, bob: Phone, to: int, nonce: str, status: int = 401, more: str = "") -> None:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    bob.reply(asked, status, to, headers=[(name, DIGEST.format(nonce) + more)])


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_is_answered_once_and_a_stale_nonce_again(status: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            header = "Authorization" if status == 401 else "Proxy-Authorization"
            call = await ann.dial(bob.port, credentials=Credentials("ann", "secret"))
            first = await bob.next("INVITE")
            assert first.get(header) == ""
            to = ann.hop.port
            _challenge(first, bob, to, "one", status)
            assert (await bob.next("ACK")).cseq.number == 1
            second = await bob.next("INVITE")
            assert 'username="ann"' in second.get(header)
            assert second.cseq.number == 2
            assert (second.call_id, second.from_.tag) == (first.call_id, first.from_.tag)
            _challenge(second, bob, to, "two", status, ", stale=true")
            third = await bob.next("INVITE")
            assert 'nonce="two"' in third.get(header)
            bob.reply(third, 200, to, body=sdp())
            ack = await bob.next("ACK")
            while ack.cseq.number != 3:
                ack = await bob.next("ACK")
            assert 'username="ann"' in ack.get(header)
            await event(call, Answered)
            await call.hangup("NORMAL_CLEARING")
            bye = await bob.next("BYE")
            assert 'username="ann"' in bye.get(header)
            bob.reply(bye, 200, to)
            await ann.quiet()

    virtual(main)


def test_an_invite_fits_into_a_datagram_with_all_that_is_on_by_default() -> None:
    """Longer than 1300 bytes it would be tried by TCP first (RFC 3261 18.1.1)."""

    async def main(clock: VirtualClock) -> None:
        async with side(clock, settings=load_settings().sip) as ann, phone() as bob:
            await ann.dial(bob.port, credentials=Credentials("a-long-user-name", "secret"))
            name = 'Digest realm="company.example", algorithm=SHA-256, qop="auth", nonce='
            challenge = ("WWW-Authenticate", f'{name}"{"n" * 48}"')
            bob.reply(await bob.next("INVITE"), 401, ann.hop.port, headers=[challenge])
            asked = await bob.next("INVITE")
            assert len(asked.get("Authorization")) > 200
            assert len(asked.to_bytes()) < 1260

    virtual(main)


def test_a_wrong_password_ends_the_call() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port, credentials=Credentials("ann", "wrong"))
            for nonce in ("one", "two"):
                _challenge(await bob.next("INVITE"), bob, ann.hop.port, nonce)
            assert await event(call, Ended) == Ended("CALL_REJECTED", 401)
            assert bob.count("INVITE") == 2
            await ann.quiet()

    virtual(main)


def _moved(bob: Phone, asked: Request, to: int, contacts: Sequence[str]) -> None:
    bob.reply(asked, 302, to, headers=[("Contact", one) for one in contacts], contact=False)


def test_redirects_are_followed_by_preference_each_target_once() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob, phone() as tom:
            call = await ann.dial(bob.port, credentials=Credentials("ann", "secret"))
            asked = await bob.next("INVITE")
            there, here = f"<sip:tom@127.0.0.1:{tom.port}>", f"<sip:200@127.0.0.1:{bob.port}>"
            _moved(
                bob,
                asked,
                ann.hop.port,
                ["<mailto:tom@there.example>", f"<sip:b@127.0.0.1:{tom.port}>;q=0.1", f"{there};q=0.9", here],
            )
            first = await tom.next("INVITE")
            assert str(first.uri).startswith("sip:tom@")
            assert (first.call_id, first.cseq.number) == (asked.call_id, 2)
            tom.reply(first, 486, ann.hop.port)
            second = await tom.next("INVITE")
            assert str(second.uri).startswith("sip:b@")
            _moved(tom, second, ann.hop.port, [there, here])  # in a circle
            assert (await event(call, Ended)).code == 302
            assert bob.count("INVITE") == 1
            await ann.quiet()

    virtual(main)


def test_redirects_are_bounded() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            number = 0
            ended = asyncio.ensure_future(event(call, Ended))
            while not ended.done():
                get = asyncio.ensure_future(bob.next("INVITE"))
                await asyncio.wait([get, ended], return_when=asyncio.FIRST_COMPLETED)
                if get.done():
                    number += 1
                    _moved(bob, get.result(), ann.hop.port, [f"<sip:x{number}@127.0.0.1:{bob.port}>"])
                else:
                    get.cancel()
            assert bob.count("INVITE") == MOST_TARGETS
            await ann.quiet()

    virtual(main)


@pytest.mark.parametrize(
    ("status", "headers", "cause"),
    [
        (486, [], "USER_BUSY"),
        (600, [], "USER_BUSY"),
        (603, [], "CALL_REJECTED"),
        (404, [], "UNALLOCATED_NUMBER"),
        (480, [], "NO_ANSWER"),
        (488, [], "INCOMPATIBLE_DESTINATION"),
        (503, [], "NORMAL_TEMPORARY_FAILURE"),
        (599, [], "NORMAL_UNSPECIFIED"),
        (480, [("Reason", 'Q.850 ;cause=17 ;text="user; busy"')], "USER_BUSY"),
        (486, [("Reason", "SIP;cause=200")], "USER_BUSY"),
        (486, [("Reason", "Q.850;cause=999")], "USER_BUSY"),
    ],
)
def test_how_it_ended_becomes_a_cause(status: int, headers: list[tuple[str, str]], cause: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            bob.reply(await bob.next("INVITE"), status, ann.hop.port, headers=headers)
            assert await event(call, Ended) == Ended(cause, status)
            await bob.next("ACK")
            assert ann.locator.outcomes == [status]
            await ann.quiet()

    virtual(main)


def test_no_answer_at_all_is_a_timeout() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            assert await event(call, Ended) == Ended("NO_USER_RESPONSE", 408)
            assert bob.count("INVITE") == 7  # timer A until timer B
            assert ann.locator.outcomes == [0]
            await ann.quiet()

    virtual(main)


def test_cancel_waits_for_a_provisional_response_and_not_for_ever_for_a_final_one() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            await call.hangup("ORIGINATOR_CANCEL")
            await asyncio.sleep(0.1)
            assert bob.count("CANCEL") == 0
            bob.reply(asked, 180, ann.hop.port)
            cancel = await bob.next("CANCEL")
            bob.reply(cancel, 200, ann.hop.port)
            await ann.quiet()  # though the 487 never came
            assert clock.now() > 30
            assert ann.locator.outcomes == []

    virtual(main)


def test_an_interval_that_is_too_brief_is_raised_once() -> None:
    async def main(clock: VirtualClock) -> None:
        settings = replace(SETTINGS, session_expires_s=200, session_min_s=90)
        async with side(clock, settings=settings) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            first = await bob.next("INVITE")
            assert (first.get("Session-Expires"), first.get("Min-SE")) == ("200", "90")
            bob.reply(first, 422, ann.hop.port, headers=[("Min-SE", "900")])
            second = await bob.next("INVITE")
            assert (second.get("Session-Expires"), second.get("Min-SE")) == ("900", "900")
            bob.reply(second, 422, ann.hop.port, headers=[("Min-SE", "900")])
            assert (await event(call, Ended)).code == 422

    virtual(main)


def test_routes_contact_and_tags_of_the_answer_are_followed() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob, phone() as proxy:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            routes = [f"<sip:far.example:{bob.port};lr>", f"<sip:127.0.0.1:{proxy.port};lr>"]
            headers: list[Any] = [("Record-Route", one) for one in routes]
            bob.reply(asked, 200, ann.hop.port, headers=headers, body=sdp())
            ack = await proxy.next("ACK")  # the route that was recorded last comes first
            assert [str(one.uri) for one in ack.routes] == [one.strip("<>") for one in reversed(routes)]
            assert ack.uri.port == bob.port
            await event(call, Answered)
            await call.hangup("NORMAL_CLEARING")
            proxy.reply(await proxy.next("BYE"), 200, ann.hop.port)
            await ann.quiet()

    virtual(main)


def test_what_is_agreed_reliably_may_be_changed_before_the_answer() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            to = ann.hop.port
            reliable = [("Require", "100rel"), ("RSeq", "1")]
            bob.reply(asked, 183, to, body=sdp(4000), headers=reliable)
            bob.reply(await bob.next("PRACK"), 200, to)
            await early(ann, call)
            talk = Talk(bob, to, asked.call_id, "ph", asked.from_.tag)
            talk.send("UPDATE", body=sdp(4002))
            await bob.next(200)
            assert _stream(ann, call.leg).port == 4002
            bob.reply(asked, 200, to, body=sdp(4000))  # to be passed over: it was answered before
            await event(call, Answered)
            assert _stream(ann, call.leg).port == 4002

    virtual(main)


def test_another_fork_answers_than_the_one_that_has_agreed_reliably() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            to = ann.hop.port
            reliable = [("Require", "100rel"), ("RSeq", "1")]
            bob.reply(asked, 183, to, tag="one", body=sdp(4000), headers=reliable)
            bob.reply(await bob.next("PRACK"), 200, to)
            await early(ann, call)
            bob.reply(asked, 200, to, tag="two", body=sdp(4002))
            await event(call, Answered)
            assert _stream(ann, call.leg).port == 4002

    virtual(main)


def test_requests_before_the_answer_find_their_fork() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            bob.reply(
                asked, 183, ann.hop.port, body=sdp(4000), headers=[("Require", "100rel"), ("RSeq", "1")]
            )
            bob.reply(await bob.next("PRACK"), 200, ann.hop.port)
            await early(ann, call)
            talk = Talk(bob, ann.hop.port, asked.call_id, "ph", asked.from_.tag)
            talk.send("OPTIONS")
            await bob.next(200)
            lost = Talk(bob, ann.hop.port, asked.call_id, "other", asked.from_.tag)
            lost.send("OPTIONS")
            await bob.next(481)
            bob.reply(asked, 200, ann.hop.port)
            await event(call, Answered)
            talk.send("BYE")
            await bob.next(200)
            await event(call, Ended)
            await ann.quiet()

    virtual(main)


def test_a_way_that_is_none_ends_at_once_and_takes_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, ports=0) as ann:

            async def dial(way: Way) -> Ended:
                ann.locator.way_to = lambda target: way
                channel = await ann.endpoint.dialer("acme").dial(
                    DialTarget("device", "x"), caller=Party("1", "2"), rate=8000, call_id="x"
                )
                assert channel.ended is not None
                await channel.hangup("NORMAL_CLEARING")
                ended: Ended = await event(channel, Ended)
                return ended

            gone = Way(None, None, None, cause="USER_NOT_REGISTERED")
            assert await dial(gone) == Ended("USER_NOT_REGISTERED", 480)
            assert await dial(ann.way_to(5)) == Ended("SWITCH_CONGESTION", 503)
            await ann.quiet()

    virtual(main)
