"""What a call tells its media: whose RTP may be latched, by where the signalling came from; what is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callflow.channels.channel import Answered
from callflow.channels.sip.message import read_message
from callflow.channels.sip.session_body import signalled_from
from callflow.clock import VirtualClock
from callflow.media.messages import RtpLost, RtpStream
from tests.sip.session.ground import SETTINGS, Side, event, invite, phone, sdp, side, virtual

LOCAL = ("127.0.0.1",)


def _last(one: Side, leg: str) -> RtpStream:
    stream = one.media.streams(leg)[-1]
    assert stream is not None
    return stream


@pytest.mark.parametrize(
    ("setting", "latch", "near"), [("signalling", True, LOCAL), ("any", True, None), ("off", False, LOCAL)]
)
def test_the_address_of_the_signalling_may_be_latched(
    setting: str, latch: bool, near: tuple[str, ...] | None
) -> None:
    async def main(clock: VirtualClock) -> None:
        settings = replace(SETTINGS, rtp_latch=setting)
        async with side(clock, settings=settings) as bob, phone() as ann:
            talk = invite(ann, bob, body=sdp(4000, host="10.1.1.1"))
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            stream = _last(bob, call.leg)
            assert (stream.host, stream.latch, stream.near) == ("10.1.1.1", latch, near)

    virtual(main)


@pytest.mark.parametrize(
    ("setting", "line", "sent"),
    [(True, "", True), (False, "", False), (False, "a=silenceSupp:off\r\n", True)],
)
def test_silence_is_sent_as_the_setting_says_and_where_it_is_asked_for(
    setting: bool, line: str, sent: bool
) -> None:
    async def main(clock: VirtualClock) -> None:
        settings = replace(SETTINGS, transmit_silence=setting)
        async with side(clock, settings=settings) as bob, phone() as ann:
            talk = invite(ann, bob, body=sdp(4000, more=line))
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            assert _last(bob, call.leg).transmit_silence is sent

    virtual(main)


def test_also_of_an_answer_a_late_offers_ack_and_a_change() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as us, phone() as peer:
            call = await us.dial(peer.port)
            peer.reply(await peer.next("INVITE"), 200, us.hop.port, body=sdp(4000, host="10.1.1.1"))
            await event(call, Answered)
            assert _last(us, call.leg).near == LOCAL
            late = invite(peer, us, body=b"")
            call = await us.next_call()
            await call.answer()
            await late.answered(body=sdp(4002, host="10.1.1.1"))
            await clock.sleep(0.1)
            assert (_last(us, call.leg).port, _last(us, call.leg).near) == (4002, LOCAL)
            late.send("INVITE", body=sdp(4004, host="10.1.1.1"))
            await late.answered()
            assert (_last(us, call.leg).port, _last(us, call.leg).near) == (4004, LOCAL)

    virtual(main)


def test_proxies_say_where_they_got_it_from() -> None:
    text = (
        "INVITE sip:200@acme.example SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=203.0.113.9\r\n"
        "Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK2;received=198.51.100.7;rport=1024\r\n"
        "Via: SIP/2.0/UDP 10.0.0.6:5060;branch=z9hG4bK3;received=evil.example\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    request = read_message(text.encode())
    request.peer = "::ffff:192.0.2.1"
    assert signalled_from(request) == ("192.0.2.1", "198.51.100.7")


def test_a_call_that_is_deaf_because_its_packets_were_refused_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, body=sdp(4000, host="10.1.1.1"))
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            bob.media.emit(RtpLost(call.leg, 60.0, 60.0, 3000))
            assert (await event(call)).cause == "MEDIA_TIMEOUT"

    virtual(main)
    assert "10.1.1.1:4000" in caplog.text
    assert "3000 RTP packets from elsewhere; see sip.rtp_latch" in caplog.text
