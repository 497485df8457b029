"""SIP messages and URIs: read, made, written; nothing but MalformedMessage comes out of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.channels.sip.framing import PING, Framer
from callflow.channels.sip.header import Headers, split_commas
from callflow.channels.sip.header_via import Via
from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.message import Request, Response, new_request, new_response, read_message
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.errors import MalformedMessage
from tests.sip.core.torture import ALL, SDP, request
from tests.sip.core.uas import a_request

INVITE = request("INVITE sip:bob@h SIP/2.0", length=f"Content-Length: {len(SDP)}", body=SDP)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:alice@Atlanta.com", SipUri("sip", "alice", "atlanta.com")),
        ("SIPS:h:5061", SipUri("sips", "", "h", 5061)),
        ("sip:*98#@h", SipUri("sip", "*98#", "h")),
        (
            "sip:a:secret@[2001:db8::1]:5062;transport=TCP",
            SipUri("sip", "a", "[2001:db8::1]", 5062, "secret"),
        ),
        ("sip:%61lice%40home@h", SipUri("sip", "alice@home", "h")),
        ("sip:j\u00fcrgen@h", SipUri("sip", "j\u00fcrgen", "h")),
        ("sip:j%fcrgen@h", SipUri("sip", "j\u00fcrgen", "h")),
        ("tel:+358-555-1234567", SipUri("tel", "+3585551234567")),
        ("isbn:2983792873", SipUri("isbn", "2983792873")),
    ],
)
def test_a_uri_is_read_and_written_back(text: str, uri: SipUri) -> None:
    found = SipUri.parse(text)
    assert found.with_params({"transport": ""}) == uri
    assert SipUri.parse(str(found)) == found and hash(SipUri.parse(str(found))) == hash(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a b@h",
        "sip:h:99999",
        "sip:h;;x",
        "sip:[::1",
        "tel:",
        "sip::p@h",
    ],
)
def test_a_uri_that_is_none(text: str) -> None:
    with pytest.raises(MalformedMessage):
        SipUri.parse(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", False),
        ("sip:a@h?to=b&subject=x", "sip:a@h?subject=x&to=b", True),
        ("sip:a@h?subject=x", "sip:a@h", False),
        ("SIP:ALICE@h", "sip:alice@h", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
        ("sip:a@h", "sips:a@h", False),
    ],
)
def test_uris_are_compared_as_the_rfc_does(one: str, other: str, same: bool) -> None:
    assert (SipUri.parse(one) == SipUri.parse(other)) is same


def test_an_address_is_read_as_it_is_meant() -> None:
    assert NameAddr.parse("Contact: x".partition(" ")[2] + " <sip:a@h>").display == "x"
    assert NameAddr.parse("*").is_star and str(NameAddr.parse("*")) == "*"
    refer = NameAddr.parse("<sip:bob@h?Replaces=1%40h%3Bto-tag%3D7%3Bfrom-tag%3D8>")
    assert refer.uri.headers == {"replaces": "1@h;to-tag=7;from-tag=8"}
    assert NameAddr.parse(str(refer)) == refer
    assert NameAddr.parse("sip:a@h;tag=1").tag == "1" and not NameAddr.parse("<sip:a@h;tag=1>").tag
    many = NameAddr.parse_many('"A, B" <sip:a@b>, Smith, J <sip:x@y>;q=0.3, sip:u@h')
    assert [value.display for value in many] == ["A, B", "Smith, J", ""]
    assert str(NameAddr(SipUri("sip", "a", "h"), 'say "hi"\\')) == '"say \\"hi\\"\\\\" <sip:a@h>'


def test_headers_are_one_whatever_their_case_and_form() -> None:
    headers = Headers([("v", "one"), ("VIA", "two"), ("x-Own", "3"), ("Call-ID", "4")])
    assert headers.all("Via") == ["one", "two"] and headers.get("i") == "4" and "X-OWN" in headers
    assert list(headers) == [("Via", "one"), ("Via", "two"), ("x-Own", "3"), ("Call-ID", "4")]
    headers.insert("Via", "zero")
    headers.insert("Route", "r")
    assert next(iter(headers)) == ("Route", "r") and headers.get("Via") == "zero"
    assert Headers([("Supported", "100rel, timer"), ("k", "path")]).listed("Supported") == [
        *("100rel", "timer", "path")
    ]
    assert split_commas('"a,b" <x,y>, c') == ['"a,b" <x,y>', "c"]


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nEvil: 1", "a\r"])
def test_no_header_can_be_smuggled_in(value: str) -> None:
    for add in (Headers().add, Headers().set, Headers().insert):
        with pytest.raises(ValueError, match="line break"):
            add("Subject", value)
    with pytest.raises(ValueError, match="line break"):
        Headers().set_all("Subject", [value])
    with pytest.raises(ValueError, match="token"):
        Headers().add(f"X{value}", "1")
    invite = a_request()
    for evil in (Response(200, value, invite.headers), Request(value, invite.uri, invite.headers)):
        with pytest.raises(ValueError, match="line break"):
            evil.to_bytes()
    # what stands in a URI or a display name is escaped, or refused
    made = str(SipUri("sip", value, "h", params={"p": value}, headers={"h": value}))
    assert "\r" not in made and "\n" not in made
    with pytest.raises(ValueError, match="line break"):
        new_request(
            *("INFO", SipUri("sip", "a", "h")),
            from_=NameAddr(SipUri("sip", "a", "h"), value),
            to=NameAddr(SipUri("sip", "a", "h")),
            call_id="c",
            cseq=1,
        )


def test_a_response_takes_over_what_the_rfc_says() -> None:
    invite = read_message(
        request(
            "INVITE sip:bob@h SIP/2.0",
            "Via: SIP/2.0/TCP proxy;branch=z9hG4bKp",
            "Record-Route: <sip:p1;lr>, <sip:p2;lr>",
        )
    )
    assert isinstance(invite, Request)
    ok = read_message(new_response(invite, 200, to_tag="t", headers=[("Allow", "INVITE")]).to_bytes())
    assert isinstance(ok, Response) and (ok.status, ok.reason) == (200, "OK")
    assert ok.all("Via") == invite.all("Via") and ok.get("From") == invite.get("From")
    assert ok.to.tag == "t" and ok.cseq == invite.cseq and ok.call_id == invite.call_id
    assert len(ok.record_routes) == 2 and ok.get("Content-Length") == "0"
    busy = new_response(invite, 486, to_tag="t")
    assert "Record-Route" not in busy.headers and busy.reason == "Busy Here"
    again = new_request(
        *("BYE", invite.uri),
        from_=invite.from_,
        to=invite.to.with_tag("t"),
        call_id="c",
        cseq=2,
    )
    assert new_response(again, 200, to_tag="other").to.tag == "t", "a tag stays what it is"


def test_a_typed_header_follows_its_text() -> None:
    invite = a_request()
    assert invite.cseq == (1, "INVITE")
    invite.headers.set("CSeq", "2 INVITE")
    assert invite.cseq.number == 2 and invite.contact is not None
    invite.headers.remove("Contact")
    assert invite.contacts == [] and invite.max_forwards == 70


def test_old_text_is_read_as_latin_1_and_line_feeds_are_no_line_ends() -> None:
    old = read_message(
        request("OPTIONS sip:b@h SIP/2.0", to="To: J\u00fcrgen <sip:b@h>").replace(b"\xc3\xbc", b"\xfc")
    )
    assert old.to.display == "J\u00fcrgen"
    with pytest.raises(MalformedMessage) as refused:
        read_message(request("OPTIONS sip:b@h SIP/2.0", "X: 1").replace(b"X: 1", b"X: 1\nEvil: 2"))
    assert isinstance(refused.value.answer, Response) and refused.value.answer.status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42stun binding request",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        request("ACK sip:b@h SIP/2.0", cseq="CSeq: x ACK"),
        request("INVITE sip:b@h SIP/2.0", via="-"),
        request("SIP/2.0 700 Odd"),
    ],
)
def test_what_cannot_be_answered_is_not(data: bytes) -> None:
    with pytest.raises(MalformedMessage) as refused:
        read_message(data)
    assert refused.value.answer is None


@pytest.mark.parametrize(
    "line",
    [
        *("From: <sip:a@h>;tag=1", "To: <sip:a@h>", "Call-ID: 1", "CSeq: 1 INVITE", "Max-Forwards: 9"),
        *("Content-Type: a/b\r\nc: a/b", "Content-Length: 0"),
        *("Date: Sat, 21 Nov 2026 02:00:00 GMT\r\nDate: Sat, 21 Nov 2026 02:00:00 GMT",),
    ],
)
def test_what_stands_once_stands_once(line: str) -> None:
    with pytest.raises(MalformedMessage, match="more than one"):
        read_message(request("INVITE sip:b@h SIP/2.0", *line.split("\r\n")))


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq"])
def test_what_must_stand_stands(name: str) -> None:
    data = request("INVITE sip:b@h SIP/2.0").replace(f"\r\n{name}:".encode(), b"\r\nX-Other:")
    with pytest.raises(MalformedMessage, match=f"{name}: missing") as refused:
        read_message(data)
    assert isinstance(refused.value.answer, Response) and name not in refused.value.answer.headers


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        (StackLimits(header_bytes=300), request("INVITE sip:b@h SIP/2.0", "X: " + "x" * 300)),
        (StackLimits(header_count=8), request("INVITE sip:b@h SIP/2.0", "X: 1", "X: 2")),
        (StackLimits(body_bytes=20), INVITE),
    ],
)
def test_more_than_the_limits_is_513(limits: StackLimits, data: bytes) -> None:
    read_message(data)
    with pytest.raises(MalformedMessage) as refused:
        read_message(data, limits)
    assert isinstance(refused.value.answer, Response) and refused.value.answer.status == 513


def test_a_via_is_read() -> None:
    via = Via.parse("SIP/2.0/UDP [2001:db8::9:1]:5070;rport;branch=z9hG4bKas3-111;received=2001:db8::9:255")
    assert (via.host, via.port, via.params["received"]) == ("[2001:db8::9:1]", 5070, "2001:db8::9:255")
    assert Via.parse(str(via)) == via
    for bad in ("SIP/3.0/UDP h", "SIP/2.0/UDP", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP h x", "SIP/2.0/UDP h;"):
        with pytest.raises(MalformedMessage):
            Via.parse(bad)


# -- whatever comes

_SPICE = st.sampled_from(
    [
        b"\r\n",
        b"\r\n ",
        b"\r\n\r\n",
        b";",
        b",",
        b'"',
        b"<",
        b">",
        b"\\",
        b":",
        b"\0",
        b"\xff",
        b"%",
        b"=",
        b"@",
        b" ",
    ]
)


@st.composite
def _bent(draw: st.DrawFn) -> bytes:
    """A sound message with a few pieces cut out, put in twice or spiced."""
    data = draw(st.sampled_from([INVITE, *(case.data for case in ALL)]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 12))
        put = draw(st.one_of(_SPICE, st.binary(max_size=6), st.just(data[at : at + 40])))
        data = data[:at] + put + data[at + cut :]
    return data


def _look_at(message: Request | Response) -> None:
    for name in ("from_", "to", "cseq", "vias", "contacts", "routes", "record_routes", "max_forwards"):
        getattr(message, name)
    for name in ("require", "supported", "content_type", "call_id", "contact", "via"):
        getattr(message, name)
    message.to_bytes()


@settings(max_examples=400, deadline=None)
@given(st.one_of(_bent(), st.binary(max_size=300)))
def test_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        message = read_message(data)
    except MalformedMessage as error:
        assert error.answer is None or isinstance(error.answer, Response)
        if isinstance(error.answer, Response):
            assert error.answer.status >= 400 and error.answer.to_bytes().count(b"\r\n\r\n") == 1
        return
    _look_at(message)
    if isinstance(message, Request):
        new_response(message, 200, to_tag="x").to_bytes()
        again = read_message(message.to_bytes())
        assert isinstance(again, Request) and (again.method, again.uri) == (message.method, message.uri)
        assert again.body == message.body and again.vias == message.vias


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.just(PING), st.integers(0, 60)), max_size=6), st.data())
def test_a_stream_gives_the_same_however_it_is_cut(parts: list[bytes | int], data: st.DataObject) -> None:
    messages = [
        part
        if isinstance(part, bytes)
        else request("INFO sip:b@h SIP/2.0", length=f"l : {part}", body=b"\r\n" * 30)[: part - 60 or None]
        for part in parts
    ]
    stream = b"".join(messages)
    framer, found = Framer(StackLimits()), list[bytes]()
    while stream:
        size = data.draw(st.integers(1, max(1, len(stream))))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == messages and not framer.within


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("INFO sip:b@h SIP/2.0", length="-"), 400),
        (request("INFO sip:b@h SIP/2.0", length="Content-Length: x"), 400),
        (request("INFO sip:b@h SIP/2.0", "Content-Length: 0"), 400),
        (request("INFO sip:b@h SIP/2.0", length="Content-Length: 99999999"), 513),
        (b"x" * 40_000, 513),
    ],
)
def test_a_stream_that_cannot_be_read_on_is_given_up(data: bytes, status: int) -> None:
    framer = Framer(StackLimits())
    assert list(framer.feed(data)) == [data]
    assert framer.broken is not None and framer.broken.status == status
    assert list(framer.feed(INVITE)) == []
