"""An INVITE that has come: provisional responses, PRACK, late offers, CANCEL, what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from callflow.channels.channel import Ended
from callflow.channels.sip.sdp import read_sdp
from callflow.clock import VirtualClock
from callflow.media.messages import AddLeg, Press, RtpLost
from tests.sip.session.ground import SETTINGS, Talk, event, invite, phone, sdp, side, until, virtual


def test_a_phone_calls_rings_hears_talks_and_hangs_up() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            await ann.next(100)
            call = await bob.next_call()
            assert (call.call_id, call.party.from_number, call.rate) == ("c1@phone", "100", 8000)
            assert bob.media.streams(call.leg) == []
            await call.progress()
            await call.progress()
            early = await ann.next(183)
            assert [media.port for media in read_sdp(early.body).media] == [bob.ports.given[0].port]
            assert bob.media.streams(call.leg) != []
            await call.answer()
            final = await talk.answered()
            assert read_sdp(final.body) == read_sdp(early.body)
            await until(lambda: call.state == "talking")
            talk.send("BYE", headers=['Reason: Q.850;cause=17;text="x"'])
            await ann.next(200)
            assert await event(call, Ended) == Ended("USER_BUSY", 200)
            assert ann.count(183) == 1
            await bob.quiet()

    virtual(main)


def test_ringing_for_long_is_told_again() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob)
            call = await bob.next_call()
            await call.progress()
            await asyncio.sleep(185)
            assert ann.count(183) == 4

    virtual(main)


@pytest.mark.parametrize("header", ["Supported: 100rel", "Require: 100rel"])
def test_a_183_is_sent_until_its_prack_and_the_200_waits_for_it(header: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, headers=[header])
            call = await bob.next_call()
            await call.progress()
            answering = asyncio.ensure_future(call.answer())
            first = await ann.next(183)
            assert "100rel" in first.require
            talk.their_tag = first.to.tag
            await ann.next(183)
            again = await ann.next(183)
            assert again.get("RSeq") == first.get("RSeq")
            assert ann.count(200) == 0
            assert not answering.done()
            talk.send("PRACK", headers=["RAck: 99 1 INVITE"])
            await ann.next(481)
            talk.send("PRACK", headers=["RAck: rubbish"])
            await ann.next(481)
            talk.send("PRACK", headers=[f"RAck: {first.get('RSeq')} 1 INVITE"])
            ok = await ann.next(200)
            assert ok.cseq.method == "PRACK"
            final = await talk.answered()
            assert final.body == b""  # offer and answer are through
            await answering
            assert call.answered
            shown = ann.count(183)
            await asyncio.sleep(40)
            assert ann.count(183) == shown
            await until(lambda: call.state == "talking")

    virtual(main)


def test_without_a_prack_the_call_is_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob, headers=["Require: 100rel"])
            call = await bob.next_call()
            await call.progress()
            answering = asyncio.ensure_future(call.answer())
            await ann.next(504)
            await answering
            assert not call.answered
            assert (await event(call, Ended)).code == 504
            await bob.quiet()

    virtual(main)


def test_late_offer_we_offer_in_the_200_and_the_ack_answers() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, body=b"")
            call = await bob.next_call()
            await call.progress()
            assert (await ann.next(180)).body == b""
            await call.answer()
            ok = await talk.answered(body=sdp(4444, formats="8"))
            assert read_sdp(ok.body).media[0].formats == ("0", "8", "9", "101")
            await until(lambda: bool(bob.media.streams(call.leg)))
            [stream] = bob.media.streams(call.leg)
            assert stream is not None
            assert (stream.codec, stream.port) == ("PCMA", 4444)

    virtual(main)


def test_late_offer_in_a_reliable_183() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, body=b"", headers=["Supported: 100rel"])
            call = await bob.next_call()
            await call.progress()
            early = await ann.next(183)
            talk.their_tag = early.to.tag
            talk.send("PRACK", headers=[f"RAck: {early.get('RSeq')} 1 INVITE"], body=sdp(4444, formats="0"))
            await ann.next(200)
            assert bob.media.streams(call.leg) != []
            await call.answer()
            assert (await talk.answered()).body == b""
            await until(lambda: call.state == "talking")

    virtual(main)


@pytest.mark.parametrize("answer", [b"", b"rubbish", sdp(0), sdp(4000, formats="18")])
def test_a_late_offer_without_a_usable_answer_ends_the_call(answer: bytes) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, body=b"")
            call = await bob.next_call()
            await call.answer()
            await talk.answered(body=answer)
            ann.reply(await ann.next("BYE"), 200, bob.hop.port)
            assert (await event(call, Ended)).cause == "INCOMPATIBLE_DESTINATION"
            await bob.quiet()

    virtual(main)


def test_cancel_ends_a_call_that_rings() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, branch="z9hG4bKone")
            call = await bob.next_call()
            await call.progress()
            talk.send("CANCEL", branch="z9hG4bKone")
            assert (await ann.next(200)).cseq.method == "CANCEL"
            await ann.next(487)
            talk.send("ACK", branch="z9hG4bKone")
            assert await event(call, Ended) == Ended("ORIGINATOR_CANCEL", 487)
            await call.answer()
            await call.progress()
            await call.hangup("NORMAL_CLEARING")
            assert ann.count(200) == 1
            await bob.quiet()

    virtual(main)


def test_cancel_after_the_200_changes_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, branch="z9hG4bKone")
            call = await bob.next_call()
            await call.answer()
            talk.send("CANCEL", branch="z9hG4bKone")
            await until(lambda: any(one.cseq.method == "CANCEL" for one in ann.all))
            await talk.answered()
            await asyncio.sleep(1)
            assert call.state == "talking"
            assert call.ended is None

    virtual(main)


def test_bye_instead_of_cancel_ends_a_call_that_rings() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.progress()
            talk.their_tag = (await ann.next(183)).to.tag
            talk.send("BYE")
            await ann.next(200)
            await ann.next(487)
            await event(call, Ended)
            await bob.quiet()

    virtual(main)


def test_a_bye_of_ours_waits_for_the_ack() -> None:
    """RFC 3261 15: not before the ACK, or the time for it, is through."""

    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.answer()
            await call.hangup("NORMAL_CLEARING")
            assert bob.media.legs() == set()
            await asyncio.sleep(2)
            assert ann.count("BYE") == 0
            await talk.answered()
            bye = await ann.next("BYE")
            assert "Q.850;cause=16" in bye.get("Reason")
            ann.reply(bye, 200, bob.hop.port)
            await bob.quiet()

    virtual(main)


def test_a_bye_of_ours_waits_for_an_ack_no_longer_than_it_may_take() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob)
            call = await bob.next_call()
            await call.answer()
            await call.hangup("NORMAL_CLEARING")
            ann.reply(await ann.next("BYE"), 200, bob.hop.port)
            assert 31 < clock.now() < 33
            await bob.quiet()

    virtual(main)


def test_who_cannot_take_a_call_has_it_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:

            def fail(call: object) -> None:
                raise RuntimeError("not now")

            bob.on_call = fail
            invite(ann, bob)
            await ann.next(503)
            await bob.quiet()

    virtual(main)


def test_ids_of_calls_that_were_refused_are_free_again() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob, call_id="same", body=sdp(4, formats="18"))
            await ann.next(488)
            invite(ann, bob, call_id="same", tag="other")
            assert (await bob.next_call()).call_id == "same"

    virtual(main)


def test_the_same_invite_again_is_one_call_and_the_same_answer() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            for _ in range(3):
                invite(ann, bob, branch="z9hG4bKone")
            call = await bob.next_call()
            await call.hangup("USER_BUSY", message="busy\r\nX-Evil: yes")
            refused = await ann.next(486)
            assert refused.get("X-Evil") == ""
            await asyncio.sleep(40)  # unacknowledged, it is sent again until timer H
            assert len(bob.calls) == 1
            assert ann.count(486) > 5
            await bob.quiet()

    virtual(main)


def test_two_callers_with_one_call_id_are_two_calls() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            long = "x" * 300
            for tag in ("a", "b"):
                invite(ann, bob, tag=tag)
                invite(ann, bob, tag=tag, call_id=long)
            await bob.next_call(4)
            ids = [call.call_id for call in bob.calls]
            assert ids[0] == "c1@phone"
            assert len(set(ids)) == 4
            assert max(map(len, ids)) <= 130
            added = [one.leg for one in bob.media.sent if isinstance(one, AddLeg)]
            assert sorted(added) == sorted(ids)

    virtual(main)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], sdp(4000, formats="18 3"), 488),
        ([], b"v=0\r\nm=nonsense", 488),
        ([], sdp(4000, host="ff02::1"), 488),
        (["Content-Encoding: gzip"], sdp(), 415),
        (["Accept: application/xml"], sdp(), 406),
        (["Require: frobnicate"], sdp(), 420),
        (["Replaces: nobody;to-tag=a;from-tag=b"], sdp(), 481),
        (["Replaces: rubbish"], sdp(), 400),
        (["Session-Expires: 10", "Supported: timer"], sdp(), 422),
        (["Contact: *"], sdp(), 400),
    ],
)
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(
    headers: list[str], body: bytes, status: int
) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob, headers=headers, body=body)
            await ann.next(status)
            assert bob.calls == []
            await bob.quiet()

    virtual(main)


def test_a_body_of_another_kind_is_refused_with_what_we_take() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob, body=b"<x/>", kind="application/xml")
            assert (await ann.next(415)).get("Accept") == "application/sdp"
            mixed = b"--b\r\nContent-Type: application/sdp\r\n\r\n" + sdp(4321) + b"\r\n--b--\r\n"
            invite(ann, bob, call_id="c2", body=mixed, kind="multipart/mixed;boundary=b")
            call = await bob.next_call()
            await call.answer()
            await ann.next(200)
            [stream] = bob.media.streams(call.leg)
            assert stream is not None
            assert stream.port == 4321

    virtual(main)


def test_out_of_dialog_requests_have_their_answers() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            for number, (method, status) in enumerate(
                [
                    *(("OPTIONS", 200), ("MESSAGE", 405), ("SUBSCRIBE", 489), ("PUBLISH", 405)),
                    *(("REFER", 403), ("INFO", 481), ("BYE", 481), ("UPDATE", 481), ("NOTIFY", 481)),
                    *(("PRACK", 481), ("DANCE", 501), ("IN", 501)),
                ]
            ):
                talk = Talk(ann, bob.hop.port, f"o{number}")
                talk.send(method)
                answer = await ann.next(status)
                assert answer.cseq.method == method
                if status in (405, 501):
                    assert "INVITE" in answer.get("Allow")
                assert "PRACK" in (await _options(talk)).get("Allow")
            stray = Talk(ann, bob.hop.port, "never", their_tag="nobody")
            for method in ("BYE", "INVITE", "OPTIONS", "INFO"):
                stray.send(method)
                await ann.next(481)
            stray.send("ACK")
            assert bob.calls == []

    async def _options(talk: Talk):  # type: ignore[no-untyped-def]
        talk.send("OPTIONS")
        return await talk.phone.next(200)

    virtual(main)


def test_in_dialog_requests_have_their_answers() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            for method, status in [
                ("OPTIONS", 200),
                ("INFO", 200),
                ("MESSAGE", 405),
                ("SUBSCRIBE", 489),
                ("NOTIFY", 481),
                ("PRACK", 481),
                ("DANCE", 501),
            ]:
                talk.send(method)
                assert (await ann.next(status)).cseq.method == method
            talk.seq = 1
            talk.send("INFO")
            await ann.next(500)  # an old CSeq
            assert call.ended is None

    virtual(main)


def test_keys_in_info_are_pressed() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            relay = "application/dtmf-relay"
            talk.send("INFO", body=b"Signal=5\r\nDuration=160\r\n", kind=relay)
            await ann.next(200)
            talk.send("INFO", body=b"#", kind="application/dtmf")
            await ann.next(200)
            talk.send("INFO", body=b"Signal=flash\r\n", kind=relay)
            await ann.next(400)
            pressed = [(one.leg, one.digits, one.tone_s) for one in bob.media.sent if isinstance(one, Press)]
            assert pressed == [(call.leg, "5", 0.16), (call.leg, "#", 0.1)]

    virtual(main)


def test_calls_are_bounded_in_all_and_for_each_account() -> None:
    async def main(clock: VirtualClock) -> None:
        settings = replace(SETTINGS, max_calls=3, max_calls_per_account=2)
        async with side(clock, settings=settings) as bob, phone() as ann:
            for number, (account, status) in enumerate(
                [("a", 100), ("a", 100), ("a", 503), ("b", 100), ("b", 503)]
            ):
                invite(ann, bob, call_id=f"n{number}", headers=[f"X-Account: {account}"])
                await ann.next(status)
            await bob.calls[0].hangup("USER_BUSY")
            invite(ann, bob, call_id="after", headers=["X-Account: b"])
            await bob.next_call(4)

    virtual(main)


def test_no_port_no_call_and_draining_takes_none() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, ports=1) as bob, phone() as ann:
            invite(ann, bob, call_id="a")
            await bob.next_call()
            invite(ann, bob, call_id="b")
            assert (await ann.next(503)).get("Retry-After") == "10"
            bob.draining = True
            invite(ann, bob, call_id="c")
            await ann.next(503)
            Talk(ann, bob.hop.port, "o").send("OPTIONS")
            await ann.next(503)
            assert len(bob.calls) == 1

    virtual(main)


def test_a_dead_call_is_hung_up() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            await until(lambda: call.state == "talking")
            bob.media.emit(RtpLost(call.leg, clock.now(), 60.0))
            bye = await ann.next("BYE")
            assert "cause=102" in bye.get("Reason")
            ann.reply(bye, 200, bob.hop.port)
            assert (await event(call, Ended)).cause == "MEDIA_TIMEOUT"
            await bob.quiet()

    virtual(main)


def test_the_time_of_an_invite_runs_out() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob, headers=["Expires: 20"])
            call = await bob.next_call()
            await ann.next(487)
            assert 19 < clock.now() < 22
            await event(call, Ended)
            await bob.quiet()

    virtual(main)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (sdp(formats="18"), 305),
        (sdp(proto="RTP/SAVP"), 302),
        (sdp(proto="UDP/TLS/RTP/SAVP"), 302),
        (sdp(host="phone.example"), 301),
        (sdp(host="224.0.0.1"), 301),
        (sdp(0), 304),
        (b"v=1\r\n", 399),
    ],
)
def test_a_warning_says_by_its_code_what_does_not_fit(body: bytes, code: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            invite(ann, bob, body=body)
            refused = await ann.next(488)
            assert refused.get("Warning").startswith(f'{code} callflow "')

    virtual(main)
