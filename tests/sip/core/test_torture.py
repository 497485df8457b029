"""RFC 4475: every message is read, answered or dropped as docs/sip.md says; none malformed gets 200."""

from __future__ import annotations

import re

import pytest

from callflow.channels.sip.message import Request, Response, read_message
from callflow.errors import MalformedMessage
from tests.house.test_house import ROOT
from tests.sip.core.torture import ALL, READ, SILENCE, Torture

PAGE = ROOT / "docs" / "sip.md"


def _status(data: bytes) -> int:
    """What the reader alone does with it (420 is the stack's)."""
    try:
        read_message(data)
    except MalformedMessage as error:
        if error.answer is None:
            return SILENCE
        assert isinstance(error.answer, Response)
        start, *lines = error.answer.to_bytes().decode().split("\r\n")
        asked = data.decode(errors="replace").split("\r\n\r\n")[0].split("\r\n")
        assert start.startswith(f"SIP/2.0 {error.answer.status} ")
        assert next(line for line in asked if line.startswith("Via")) in lines, "the way back is as it came"
        return error.answer.status
    return READ


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_it_is_read_answered_or_dropped_as_the_page_says(case: Torture) -> None:
    found = _status(case.data)
    assert found == (READ if case.expected == 420 else case.expected)
    row = re.search(
        rf"^\| {re.escape(case.section)} \| {case.name} \| ([^|]*) \|", PAGE.read_text("utf-8"), re.M
    )
    assert row is not None, "docs/sip.md has no such row"
    shown = {READ: "read", SILENCE: "nothing"}.get(case.expected, str(case.expected))
    assert row[1].startswith(shown)


def _read(name: str) -> Request:
    message = read_message(next(case.data for case in ALL if case.name == name))
    assert isinstance(message, Request)
    return message


def test_the_short_tortuous_invite_is_understood() -> None:
    invite = _read("wsinv")
    assert invite.method == "INVITE" and invite.uri.params == {"unknownparam": ""}
    assert invite.to.tag == "1918181833n"
    assert (invite.from_.display, invite.from_.tag) == ('A. Caller \\"', "98asjd8")
    assert (invite.max_forwards, invite.cseq) == (68, (9, "INVITE"))
    assert [(via.transport, via.host, via.branch) for via in invite.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    [contact] = invite.contacts
    assert contact.display == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": "", "q": "0.33"}
    [route] = invite.routes
    assert route.uri.params == {"lr": "", "unknownwith": "value", "unknown-no-value": ""}
    assert invite.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert invite.get("Subject", "none") == "" and invite.get("unknownheaderWITHunusualvalue") == ";;,,;;,;"


def test_escapes_are_escapes_only_where_the_grammar_has_them() -> None:
    assert _read("intmeth").method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert _read("intmeth").uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert _read("intmeth").to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert _read("intmeth").from_.params["fromparam''~+*_!.-%"] == "работающий"
    esc = _read("esc01")
    assert (esc.uri.user, esc.uri.host) == ("sips:user@example.com", "example.net")
    assert esc.from_.uri.user == "I have spaces" and esc.to.uri.user == "user"
    assert esc.contacts[0].uri.params == {"lr": "", "name": "value%41"}
    null = _read("escnull")
    assert null.to.uri.user == "null-\0-null" and [c.uri.user for c in null.contacts] == ["\0", "\0\0"]
    assert _read("esc02").method == "RE%47IST%45R" and _read("esc02").to.display == "%Z%45"
    assert _read("semiuri").uri.user == "user;par=u@example.net"


def test_what_is_lenient_is_understood_as_meant() -> None:
    assert _read("lwsdisp").from_.display == "caller"
    assert (_read("baddn").from_.display, _read("baddn").from_.tag) == ("Bell, Alexander", "43")
    assert _read("dblreq").method == "REGISTER" and _read("dblreq").body == b""
    assert _read("cparam01").contacts[0].params == {"unknownparam": ""}
    assert _read("cparam02").contacts[0].uri.params == {"unknownparam": ""}
    assert _read("regescrt").contacts[0].uri.headers == {"route": "<sip:sip.example.com>"}
    old = _read("inv2543")
    assert (old.max_forwards, old.via.branch, old.to.tag) == (70, "", "") and old.body.startswith(b"v=0")
    long = _read("longreq")
    assert len(long.vias) == 34 and len(long.from_.tag) > 100


def test_the_reason_phrase_says_what_is_wrong() -> None:
    for case in ALL:
        if case.expected == 400:
            with pytest.raises(MalformedMessage) as refused:
                read_message(case.data)
            assert isinstance(refused.value.answer, Response)
            assert refused.value.answer.reason == f"Bad Request - {refused.value.message}"
            assert len(refused.value.answer.reason) < 120
