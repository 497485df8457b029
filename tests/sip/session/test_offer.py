"""SDP and offer/answer as pure functions, and what no bytes may do to them."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.channels.sip.offer import (
    Terms,
    answer_offer,
    make_offer,
    offer_again,
    rate_of,
    take_answer,
)
from callflow.channels.sip.sdp import (
    MOST_BYTES,
    MOST_FORMATS,
    MOST_LINES,
    MOST_MEDIA,
    Crypto,
    Description,
    Media,
    read_sdp,
)
from callflow.errors import BadDescription
from callflow.media.messages import SrtpKey

KEYS = (
    SrtpKey("AES_CM_128_HMAC_SHA1_80", bytes(range(30))),
    SrtpKey("AES_CM_128_HMAC_SHA1_32", bytes(range(30, 60))),
)
THEIRS = bytes(range(100, 130))
KEY = base64.b64encode(THEIRS).decode()
TERMS = Terms("192.0.2.1", 5000)


def offer(*lines: str, m: str = "m=audio 4000 RTP/AVP 0 8 101", c: str = "c=IN IP4 192.0.2.9") -> Description:
    return read_sdp("\r\n".join(("v=0", "o=- 7 8 IN IP4 h", "s=-", c, "t=0 0", m, *lines)).encode())


# ---- reading and writing ---------------------------------------------------------------------


def test_a_description_is_read() -> None:
    got = read_sdp(
        b"v=0\no=x 12 34 IN IP6 ::1\ns= \nc=IN IP6 2001:db8::1\na=sendonly\nb=AS:80\nt=0 0\n"
        b"m=video 6000/2 RTP/AVP 96\nm=audio 4000 RTP/SAVP 8 97\n"
        b"c=IN IP4 192.0.2.7/127\na=ptime:20.0\na=maxptime: 40 \n"
        b"a=rtpmap:97 telephone-event/8000\na=fmtp:97 0-15\na=recvonly\n"
        b"a=rtcp:4009 IN IP4 1.2.3.4\na=rtcp-mux\n"
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY.encode() + b"|2^20\nfoo\na=rtpmap:bad\n=x\n"
    )
    assert (got.session_id, got.version, got.origin_host) == (12, 34, "::1")
    video, audio = got.media
    assert (video.kind, video.port, video.host, video.direction) == ("video", 6000, "2001:db8::1", "sendonly")
    assert (audio.host, audio.ptime_ms, audio.maxptime_ms, audio.direction) == (
        "192.0.2.7",
        20,
        40,
        "recvonly",
    )
    assert (audio.rtcp_port, audio.rtcp_mux, audio.fmtp) == (4009, True, ((97, "0-15"),))
    assert audio.crypto == (Crypto(1, "AES_CM_128_HMAC_SHA1_80", THEIRS),)


def test_what_is_written_is_read_the_same() -> None:
    ours = make_offer(replace(TERMS, srtp="required", keys=KEYS), 3)
    again = read_sdp(ours.to_bytes())
    assert again == ours
    assert b"telephone-event/8000" in ours.to_bytes()
    assert b"c=IN IP6 ::1\r\n" in make_offer(replace(TERMS, host="::1"), 1).to_bytes()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("\r\n \r\n", "empty"),
        ("hello", "begins with"),
        ("v=1\r\n", "begins with"),
        ("v=0\r\nc=IN IP4\r\n", "no address"),
        ("v=0\r\nc=IN IP9 1.2.3.4\r\n", "no address"),
        ("v=0\r\nc=IN IP4 a b\r\n", "no address"),
        ("v=0\r\nm=audio\r\n", "no media line"),
        ("v=0\r\nm=", "no media line"),
        ("v=0\r\nm=audio x RTP/AVP 0\r\n", "no media line"),
        ("v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "no media line"),
        ("v=0\r\nm=audio 1 RTP/AVP é\r\n", "words"),
        ("v=0\r\n" + "a=x\r\n" * MOST_LINES, "lines"),
        ("v=0\r\n" + "m=audio 1 RTP/AVP 0\r\n" * (MOST_MEDIA + 1), "m= lines"),
        ("v=0\r\nm=audio 1 RTP/AVP" + " 0" * (MOST_FORMATS + 1), "formats"),
        ("v=0\r\n" + "x" * MOST_BYTES, "bytes"),
    ],
)
def test_what_is_no_description_is_told(text: str, says: str) -> None:
    with pytest.raises(BadDescription, match=says):
        read_sdp(text.encode())


LINES = st.sampled_from(
    [
        "v=0",
        "o=- 1 1 IN IP4 x",
        "c=IN IP4 1.2.3.4",
        "c=IN IP4 0.0.0.0",
        "m=audio 4 RTP/AVP 0 8 101",
        "a=inactive",
        "m=audio 4 RTP/SAVP 0",
        "a=rtpmap:101 telephone-event/8000",
        f"a=crypto:1 {KEYS[0].suite} inline:{KEY}",
        *("m=", "c=", "o=", "a=", "a=rtpmap:", "a=crypto:", "m=audio", "c=IN IP4"),
        *("a=ptime:3", "a=rtpmap:0 G722/8000/1", "m=video 0 RTP/AVP 31", "m=audio 9 udp 1", "a=rtcp:999999"),
    ]
)


@given(
    st.lists(st.one_of(LINES, st.text(max_size=60)), max_size=30),
    st.sampled_from(["off", "optional", "required"]),
)
def test_no_text_does_anything_but_be_agreed_on_or_refused(lines: list[str], srtp: str) -> None:
    terms = replace(TERMS, srtp=srtp, keys=KEYS)
    try:
        agreed = answer_offer(read_sdp("\r\n".join(["v=0", *lines]).encode()), terms)
    except BadDescription:
        return
    assert agreed.stream.payload in [number for number, _ in agreed.stream.accepts]
    again = read_sdp(agreed.local.to_bytes())
    assert again.media[agreed.line] == agreed.local.media[agreed.line]
    assert [line.port for line in again.media] == [line.port for line in agreed.local.media]
    assert agreed.held is not agreed.stream.sends


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_read_or_refused(data: bytes) -> None:
    try:
        read_sdp(data)
    except BadDescription as error:
        assert "\n" not in error.message


@given(st.lists(st.one_of(LINES, st.text(max_size=60)), max_size=30))
def test_no_answer_does_anything_but_be_taken_or_refused(lines: list[str]) -> None:
    ours = make_offer(TERMS)
    try:
        taken = take_answer(ours, read_sdp("\r\n".join(["v=0", *lines]).encode()), TERMS)
    except BadDescription:
        return
    assert taken.stream.codec in TERMS.codecs


# ---- answering -------------------------------------------------------------------------------


def test_the_best_of_our_codecs_is_answered_with_the_offers_numbers() -> None:
    theirs = offer(
        "a=rtpmap:97 PCMA/8000",
        "a=rtpmap:100 telephone-event/16000",
        "a=rtpmap:99 telephone-event/8000",
        m="m=audio 4000 RTP/AVP 18 9 97 13 100 99",
    )
    agreed = answer_offer(theirs, TERMS, 4)
    [line] = agreed.local.media
    assert (line.formats, line.port, line.host, line.direction) == (
        ("97", "13", "99"),
        5000,
        "192.0.2.1",
        "sendrecv",
    )
    assert (agreed.local.session_id, agreed.local.version) == (1, 4)
    stream = agreed.stream
    assert (stream.codec, stream.payload, stream.accepts) == ("PCMA", 97, ((97, "PCMA"), (9, "G722")))
    assert (stream.event_payload, stream.event_rate, stream.noise_payload) == (99, 8000, 13)
    assert (stream.host, stream.port, stream.sends, stream.receives) == ("192.0.2.9", 4000, True, True)
    wide = answer_offer(theirs, replace(TERMS, codecs=("G722", "PCMA")))
    assert (wide.stream.codec, wide.stream.payload) == ("G722", 9)
    assert rate_of(theirs, ("G722", "PCMA")) == 16_000
    assert rate_of(theirs, ("PCMA", "G722")) == 8_000
    assert rate_of(offer(), ("G722", "PCMU")) == 8_000


def test_a_number_that_means_something_else_is_not_taken_for_the_codec() -> None:
    with pytest.raises(BadDescription, match="no codec in common"):
        answer_offer(offer("a=rtpmap:0 OPUS/48000/2", m="m=audio 4 RTP/AVP 0"), TERMS)
    with pytest.raises(BadDescription):
        answer_offer(offer("a=rtpmap:8 PCMA/16000", m="m=audio 4 RTP/AVP 8"), TERMS)
    assert answer_offer(offer(m="m=audio 4 RTP/AVP 0"), TERMS).stream.event_payload == -1


def test_other_lines_are_refused_in_their_places() -> None:
    theirs = offer("m=video 4002 RTP/AVP 31", "m=audio 4004 RTP/AVP 0", "m=application 9 UDP/BFCP *")
    agreed = answer_offer(theirs, TERMS)
    assert [(line.kind, line.port) for line in agreed.local.media] == [
        ("audio", 5000),
        ("video", 0),
        ("audio", 0),
        ("application", 0),
    ]
    assert b"m=application 0 UDP/BFCP *\r\n" in agreed.local.to_bytes()
    assert offer_again(agreed, 2).media[1:] == agreed.local.media[1:]


@pytest.mark.parametrize(
    ("lines", "host", "answer", "held"),
    [
        ([], "192.0.2.9", "sendrecv", False),
        (["a=sendonly"], "192.0.2.9", "recvonly", True),
        (["a=recvonly"], "192.0.2.9", "sendonly", False),
        (["a=inactive"], "192.0.2.9", "inactive", True),
        ([], "0.0.0.0", "recvonly", True),
        (["a=recvonly"], "0.0.0.0", "inactive", True),
    ],
)
def test_directions(lines: list[str], host: str, answer: str, held: bool) -> None:
    agreed = answer_offer(offer(*lines, c=f"c=IN IP4 {host}"), TERMS)
    assert (agreed.local.media[0].direction, agreed.held) == (answer, held)
    assert agreed.stream.sends is (answer in ("sendrecv", "sendonly"))
    assert agreed.stream.receives is (answer in ("sendrecv", "recvonly"))
    deaf = answer_offer(offer(*lines, c=f"c=IN IP4 {host}"), replace(TERMS, listens=False))
    assert not deaf.stream.receives
    assert deaf.stream.sends is agreed.stream.sends


@pytest.mark.parametrize(
    ("lines", "ptime"),
    [
        ([], 20),
        (["a=ptime:30"], 30),
        (["a=ptime:25"], 20),
        (["a=ptime:5"], 10),
        (["a=ptime:200"], 60),
        (["a=ptime:40", "a=maxptime:30"], 30),
        (["a=ptime:0"], 20),
    ],
)
def test_packet_times(lines: list[str], ptime: int) -> None:
    agreed = answer_offer(offer(*lines), TERMS)
    assert (agreed.stream.ptime_ms, agreed.local.media[0].ptime_ms) == (ptime, ptime)


def test_an_address_that_nobody_can_send_to_is_refused() -> None:
    for host in ("239.1.1.1", "ff02::1", "phone.example"):
        with pytest.raises(BadDescription, match="nobody can send there"):
            answer_offer(offer(c=f"c=IN IP4 {host}"), TERMS)
    with pytest.raises(BadDescription, match="no address"):
        answer_offer(offer(c="b=AS:64"), TERMS)


CRYPTO = f"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^31"


@pytest.mark.parametrize(
    ("srtp", "proto", "lines", "encrypted"),
    [
        ("off", "AVP", [CRYPTO], False),
        ("off", "SAVP", [CRYPTO], None),
        ("optional", "AVP", [], False),
        ("optional", "AVP", [CRYPTO], True),
        ("optional", "SAVP", [CRYPTO], True),
        ("optional", "SAVPF", [CRYPTO], True),
        ("optional", "SAVP", [], None),
        ("optional", "SAVP", [f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}"], None),
        ("optional", "SAVP", [f"{CRYPTO}|1:4"], None),
        ("optional", "SAVP", [f"{CRYPTO} UNENCRYPTED_SRTP"], None),
        ("optional", "SAVP", [CRYPTO[:-10]], None),
        ("required", "AVP", [], None),
        ("required", "AVP", [CRYPTO], True),
        ("required", "SAVP", [CRYPTO], True),
    ],
)
def test_srtp_by_sdes(srtp: str, proto: str, lines: list[str], encrypted: bool | None) -> None:
    terms = replace(TERMS, srtp=srtp, keys=KEYS)
    theirs = offer(*lines, m=f"m=audio 4000 RTP/{proto} 0")
    if encrypted is None:
        with pytest.raises(BadDescription):
            answer_offer(theirs, terms)
        return
    agreed = answer_offer(theirs, terms)
    stream = agreed.stream
    assert agreed.local.media[0].protocol == f"RTP/{proto}"
    assert (stream.key_in, stream.key_out) == (
        (SrtpKey(KEYS[1].suite, THEIRS), KEYS[1]) if encrypted else (None, None)
    )
    assert [one.tag for one in agreed.local.media[0].crypto] == ([2] if encrypted else [])


def test_srtp_on_a_line_of_its_own_is_preferred() -> None:
    theirs = offer("m=audio 4002 RTP/SAVP 0", CRYPTO)
    agreed = answer_offer(theirs, replace(TERMS, srtp="optional", keys=KEYS))
    assert [line.port for line in agreed.local.media] == [0, 5000]
    assert (agreed.line, agreed.stream.port) == (1, 4002)
    plain = answer_offer(theirs, TERMS)
    assert [line.port for line in plain.local.media] == [5000, 0]


# ---- offering --------------------------------------------------------------------------------


def test_an_answer_is_taken_with_its_numbers_and_ours() -> None:
    ours = make_offer(TERMS)
    theirs = offer(
        "a=rtpmap:99 telephone-event/8000", "a=ptime:30", "a=rtcp:4010", m="m=audio 4000 RTP/AVP 8 0 99"
    )
    agreed = take_answer(ours, theirs, TERMS)
    stream = agreed.stream
    assert (stream.codec, stream.event_payload, stream.ptime_ms, stream.rtcp_port) == ("PCMU", 99, 30, 4010)
    assert set(stream.accepts) == {(0, "PCMU"), (8, "PCMA"), (9, "G722")}
    assert agreed.local == ours


@pytest.mark.parametrize(
    ("line", "asked"), [("a=silenceSupp:off - - - -", True), ("a=silenceSupp:on - - - -", False), ("", False)]
)
def test_who_wants_no_gaps_says_so(line: str, asked: bool) -> None:
    assert answer_offer(offer(line), TERMS).stream.transmit_silence is asked
    assert take_answer(make_offer(TERMS), offer(line), TERMS).stream.transmit_silence is asked


@pytest.mark.parametrize(
    ("line", "sends", "receives"), [("a=recvonly", True, False), ("a=inactive", False, False)]
)
def test_directions_of_an_answer(line: str, sends: bool, receives: bool) -> None:
    agreed = take_answer(make_offer(TERMS), offer(line), TERMS)
    assert (agreed.stream.sends, agreed.stream.receives, agreed.held) == (sends, receives, not sends)
    deaf = replace(TERMS, listens=False)
    assert not take_answer(make_offer(deaf), offer(), deaf).stream.receives


@pytest.mark.parametrize("srtp", ["optional", "required"])
def test_srtp_that_we_offer(srtp: str) -> None:
    terms = replace(TERMS, srtp=srtp, keys=KEYS)
    ours = make_offer(terms)
    assert ours.media[0].protocol == ("RTP/SAVP" if srtp == "required" else "RTP/AVP")
    last = ours.media[0].crypto[-1]
    line = f"a=crypto:{last.tag} {last.suite} inline:{KEY}"
    theirs = offer(line, m=f"m=audio 4000 {ours.media[0].protocol} 0")
    stream = take_answer(ours, theirs, terms).stream
    assert (stream.key_in, stream.key_out) == (SrtpKey(last.suite, THEIRS), KEYS[last.tag - 1])
    plain = offer(m=f"m=audio 4000 {ours.media[0].protocol} 0")
    if srtp == "required":
        with pytest.raises(BadDescription, match="a=crypto"):
            take_answer(ours, plain, terms)
    else:
        assert take_answer(ours, plain, terms).stream.key_in is None


@pytest.mark.parametrize(
    "m", ["m=audio 0 RTP/AVP 0", "m=image 5 RTP/AVP 0", "m=audio 5 UDP/TLS/RTP/SAVPF 0", "b=x"]
)
def test_an_answer_that_refuses_is_told(m: str) -> None:
    with pytest.raises(BadDescription):
        take_answer(make_offer(TERMS), offer(m=m), TERMS)


def test_both_ends_of_ours_agree() -> None:
    for srtp in ("off", "optional", "required"):
        ann = replace(TERMS, srtp=srtp, keys=KEYS)
        bob = replace(TERMS, host="192.0.2.2", port=6000, srtp=srtp, keys=tuple(reversed(KEYS)))
        ours = make_offer(ann)
        answer = answer_offer(read_sdp(ours.to_bytes()), bob)
        taken = take_answer(ours, read_sdp(answer.local.to_bytes()), ann)
        assert (taken.stream.key_in, taken.stream.key_out) == (answer.stream.key_out, answer.stream.key_in)
        assert (taken.stream.port, answer.stream.port) == (6000, 5000)
        assert (taken.stream.codec, taken.stream.event_payload) == (
            answer.stream.codec,
            answer.stream.event_payload,
        )


def test_a_refused_line_keeps_its_formats() -> None:
    assert Media("video", 5, "RTP/AVP", ("31",)).refused() == Media("video", 0, "RTP/AVP", ("31",))
