"""Numbers of an SDP that no packet has room for reach no packet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callflow.channels.sip.offer import Terms, answer_offer
from callflow.channels.sip.sdp import read_sdp
from callflow.errors import BadDescription, MediaError
from callflow.media.messages import AddLeg, RtpSource, SendDigits, SetStream
from tests.rtp.live.stage import PLAIN, Stage
from tests.sip.session.ground import sdp

TERMS = Terms("127.0.0.1", 5000)


@pytest.mark.parametrize("number", ["128", "000999", "0" * 60 + "999", "4294967296"])
def test_a_payload_type_of_more_than_seven_bits_is_none(number: str) -> None:
    with pytest.raises(BadDescription):
        answer_offer(read_sdp(sdp(formats=number, more=f"a=rtpmap:{int(number)} PCMU/8000")), TERMS)
    for name in ("telephone-event", "CN"):
        more = f"a=rtpmap:{int(number)} {name}/8000"
        stream = answer_offer(read_sdp(sdp(formats=f"0 {number}", more=more)), TERMS).stream
        assert (stream.event_payload, stream.noise_payload) == (-1, -1)


@pytest.mark.parametrize("clock", [1, 10, 999_999])
def test_events_have_a_clock_of_sound(clock: int) -> None:
    more = f"a=rtpmap:99 telephone-event/{clock}"
    assert answer_offer(read_sdp(sdp(formats="0 99", more=more)), TERMS).stream.event_payload == -1


@pytest.mark.parametrize("number", ["payload", "event_payload"])
def test_the_media_refuses_such_a_number_and_goes_on(number: str) -> None:
    """One leg's number once ended the tick of every leg of its media process."""
    with Stage() as stage:
        phone = stage.phone(5000)
        stage.leg("good", phone.port)
        stage.do(AddLeg("bad", 8000, RtpSource(stage.ports.take())))
        bad = replace(PLAIN, port=5002, payload=999) if number == "payload" else replace(PLAIN, port=5002)
        bad = replace(bad, event_payload=999) if number == "event_payload" else bad
        with pytest.raises(MediaError):
            stage.do(SetStream("bad", bad))
        stage.do(SendDigits("bad", "5"))
        stage.tick(20)
        assert len(phone.listen()) >= 9, "the other legs are sent to"
