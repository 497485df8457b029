"""Transfers by phones: REFER blind and attended, and calls with Replaces."""

from __future__ import annotations

import asyncio

import pytest

from callflow.channels.channel import Answered, Ended, TransferRequested
from callflow.channels.sip.channel import SipChannel
from callflow.channels.sip.refer import target_number
from callflow.channels.sip.replaces import Replaced, read_replaces
from callflow.channels.sip.uri import SipUri
from callflow.clock import VirtualClock
from tests.sip.session.ground import Phone, Side, Talk, event, invite, phone, sdp, side, until, virtual


async def _talking(bob: Side, ann: Phone, number: int = 1, **more: object) -> tuple[Talk, SipChannel]:
    talk = invite(ann, bob, **more)  # type: ignore[arg-type]
    call = await bob.next_call(number)
    await call.answer()
    await talk.answered()
    await until(lambda: call.state == "talking")
    return talk, call


async def _notified(ann: Phone, to: int) -> tuple[bytes, str, str]:
    notify = await ann.next("NOTIFY")
    ann.reply(notify, 200, to)
    assert notify.content_type == "message/sipfrag"
    return notify.body, notify.get("Subscription-State").partition(";")[0], notify.get("Event")


def test_a_blind_transfer_is_the_engines_and_the_phone_hears_how_it_went() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send(
                "REFER",
                headers=["Refer-To: <sip:300@anywhere.example>", "Referred-By: <sip:100@acme.example>"],
            )
            await ann.next(202)
            seq = talk.seq
            assert await event(call, TransferRequested) == TransferRequested("300", "blind")
            assert await _notified(ann, bob.hop.port) == (
                b"SIP/2.0 100 Trying\r\n",
                "active",
                f"refer;id={seq}",
            )
            await call.hangup("BLIND_TRANSFER")  # as the engine does
            assert (await _notified(ann, bob.hop.port))[:2] == (b"SIP/2.0 200 OK\r\n", "terminated")
            ann.reply(await ann.next("BYE"), 200, bob.hop.port)
            await bob.quiet()

    virtual(main)


def test_a_transfer_that_the_engine_does_not_make_is_told_so() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("REFER", headers=["Refer-To: sip:300@x"])
            await _notified(ann, bob.hop.port)
            talk.send("REFER", headers=["Refer-To: sip:301@x"])
            await ann.next(491)
            assert (await _notified(ann, bob.hop.port))[:2] == (
                b"SIP/2.0 503 Service Unavailable\r\n",
                "terminated",
            )
            assert call.ended is None
            talk.send("REFER", headers=["Refer-To: sip:301@x"])
            await ann.next(202)

    virtual(main)


def test_without_a_subscription_nothing_is_notified() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            headers = ["Refer-To: <sip:300@x>", "Refer-Sub: false", "Require: norefersub"]
            talk.send("REFER", headers=headers)
            assert (await ann.next(202)).get("Refer-Sub") == "false"
            await event(call, TransferRequested)
            await asyncio.sleep(10)
            assert ann.count("NOTIFY") == 0

    virtual(main)


def test_the_party_that_was_called_transfers_too() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port)
            asked = await bob.next("INVITE")
            bob.reply(asked, 200, ann.hop.port, body=sdp())
            await event(call, Answered)
            talk = Talk(bob, ann.hop.port, asked.call_id, "ph", asked.from_.tag)
            talk.send("REFER", headers=["Refer-To: <tel:+4930123>"])
            await bob.next(202)
            assert await event(call, TransferRequested) == TransferRequested("+4930123", "blind")

    virtual(main)


@pytest.mark.parametrize("turned", [False, True])
def test_an_attended_transfer_names_the_consult_call(turned: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            consult, other = await _talking(bob, ann, 2, call_id="c2@phone", tag="phone2")
            tags = (consult.tag, consult.their_tag) if turned else (consult.their_tag, consult.tag)
            replaces = f"c2%40phone%3Bto-tag%3D{tags[0]}%3Bfrom-tag%3D{tags[1]}"
            talk.send("REFER", headers=[f"Refer-To: <sip:300@acme.example?Replaces={replaces}>"])
            await ann.next(202)
            asked = await event(call, TransferRequested)
            assert asked == TransferRequested("300", "attended", other.call_id)

    virtual(main)


def test_an_attended_transfer_to_a_call_that_is_none_of_ours() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            talk.send("REFER", headers=["Refer-To: <sip:300@x?Replaces=q%3Bto-tag%3Da%3Bfrom-tag%3Db>"])
            assert await event(call, TransferRequested) == TransferRequested("300", "attended", "")

    virtual(main)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        (["Refer-To: <sip:1@x>", "Refer-To: <sip:2@x>"], 400),
        (["Refer-To: <<<>"], 400),
        (["Refer-To: <http://x/y>"], 603),
        (["Refer-To: <sip:x.example>"], 603),
        (["Refer-To: <sip:1@x;method=BYE>"], 603),
        (["Refer-To: <sip:1@x?Replaces=rubbish>"], 400),
    ],
)
def test_a_refer_that_cannot_be_followed_is_refused(headers: list[str], status: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, _ = await _talking(bob, ann)
            talk.send("REFER", headers=headers)
            await ann.next(status)
            await asyncio.sleep(5)
            assert ann.count("NOTIFY") == 0

    virtual(main)


def test_another_phone_takes_the_place_of_one_that_talks() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann, phone() as tom:
            talk, call = await _talking(bob, ann)
            replaces = f"Replaces: c1@phone;to-tag={talk.their_tag};from-tag={talk.tag}"
            new = invite(tom, bob, call_id="t1", tag="tom", headers=[replaces], body=sdp(7000))
            await new.answered()
            bye = await ann.next("BYE")
            ann.reply(bye, 200, bob.hop.port)
            assert len(bob.calls) == 1  # the engine has noticed nothing
            assert call.ended is None
            stream = bob.media.streams(call.leg)[-1]
            assert stream is not None
            assert stream.port == 7000
            await until(lambda: call.state == "talking")
            await until(lambda: bob.endpoint._table.find("c1@phone", talk.their_tag) is None)
            new.send("BYE")
            await tom.next(200)
            await event(call, Ended)
            await bob.quiet()

    virtual(main)


def test_replaces_is_for_calls_of_ones_own_account_that_are_answered() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann, phone() as tom:
            talk, call = await _talking(bob, ann)
            rings = invite(ann, bob, call_id="r", tag="r")
            ringing = await bob.next_call(2)
            await ringing.progress()
            rings.their_tag = (await ann.next(183)).to.tag

            async def take(talk: Talk, *more: str, body: bytes = b"") -> int:
                tom.number += 1
                flag = ";early-only" if "early" in more else ""
                replaces = f"Replaces: {talk.call_id};to-tag={talk.their_tag};from-tag={talk.tag}{flag}"
                headers = [replaces, *(one for one in more if ":" in one)]
                invite(tom, bob, call_id=f"t{tom.number}", tag="t", headers=headers, body=body or sdp())
                while True:
                    got = await tom.got.get()
                    status: int = getattr(got, "status", 0)
                    if status >= 200:
                        return status

            assert await take(talk, "X-Account: other") == 481
            assert await take(talk, "early") == 486
            assert await take(rings) == 486
            assert await take(talk, body=sdp(1, formats="18")) == 488
            wrong = Talk(ann, 0, talk.call_id, "wrong", talk.their_tag)
            assert await take(wrong) == 481
            assert call.ended is None
            assert len(bob.calls) == 2

    virtual(main)


def test_a_replaced_call_without_an_ack_is_hung_up() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann, phone() as tom:
            talk, call = await _talking(bob, ann)
            replaces = f"Replaces: c1@phone;to-tag={talk.their_tag};from-tag={talk.tag}"
            invite(tom, bob, call_id="t1", tag="tom", headers=[replaces], body=sdp(7000))
            ann.reply(await ann.next("BYE"), 200, bob.hop.port)
            tom.reply(await tom.next("BYE"), 200, bob.hop.port)
            assert (await event(call, Ended)).cause == "RECOVERY_ON_TIMER_EXPIRE"
            await bob.quiet()

    virtual(main)


def test_replaces_headers() -> None:
    assert read_replaces("a@b ; to-tag=1;from-tag=2;early-only;x=y") == Replaced("a@b", "1", "2", True)
    assert read_replaces("a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2") == Replaced("a@b", "1", "2")
    for bad in ("", "a", "a;to-tag=1", ";to-tag=1;from-tag=2", "a;to-tag=1;to-tag=2;from-tag=3", "x" * 2000):
        assert read_replaces(bad) is None


def test_numbers_of_targets() -> None:
    assert target_number(SipUri("sip", "300;phone-context=x", "h")) == "300"
    assert target_number(SipUri("tel", "+49 (30) 123")) == "+4930123"
    assert target_number(SipUri("sip", "x" * 129, "h")) == ""
    assert target_number(SipUri("http", "300", "h")) == ""


def test_news_of_a_transfer_of_ours_are_taken_and_others_have_no_subscription() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk, call = await _talking(bob, ann)
            news = {"body": b"SIP/2.0 100 Trying\r\n", "kind": "message/sipfrag;version=2.0"}
            state = "Subscription-State: active;expires=60"
            talk.send("NOTIFY", headers=["Event: refer", state], **news)
            await ann.next(481)
            asking = asyncio.ensure_future(call.refer("sip:300@acme.example"))
            asked = await ann.next("REFER")
            talk.send("NOTIFY", headers=["Event: refer", state], **news)  # it may overtake the 202
            await ann.next(200)
            ann.reply(asked, 202, bob.hop.port)
            assert await asking == 202
            talk.send("NOTIFY", headers=[f"Event: refer;id={asked.cseq.number}", state], **news)
            await ann.next(200)
            talk.send("NOTIFY", headers=["Event: presence", state])
            await ann.next(481)

    virtual(main)
