"""Whatever stands in the headers that access reads: an answer that RFC 3261 knows, and no crash."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.channels.channel import Party
from callflow.channels.sip.admission import Admitted, Challenged
from callflow.channels.sip.message import Request, read_message
from callflow.errors import MalformedMessage
from tests.sip.access.support import PHONE, Door, register, with_headers

_WORDS = "* <sip:a@b> sip:a@b ;expires= ;q= +sip.instance= < > , = ; 0 -1 %0a tel:+1 @ [::1] :99999 reg-id=7"
PIECES = st.sampled_from([*_WORDS.split(), " ", "\t", '"', "\\", "?Route=x", "é"])
VALUES = st.lists(PIECES, max_size=12).map("".join)
WHO = Admitted("acme", Party("1001", "", device_id="desk"), "acme.example", username="desk7")


@settings(max_examples=150, deadline=None)
@given(contact=VALUES, path=VALUES, expires=VALUES)
def test_registrations(contact: str, path: str, expires: str) -> None:
    door = Door()
    try:
        asked = with_headers(register(), [("Contact", contact), ("Path", path), ("Expires", expires)])
    except MalformedMessage:
        return
    answer = door.registrar.register(asked, PHONE, WHO)
    assert answer.status in (200, 400, 403, 423, 500)
    again = read_message(answer.to_bytes())
    assert len(again.contacts) == door.registrar.count <= door.settings.max_contacts


@settings(max_examples=150, deadline=None)
@given(authorization=st.one_of(VALUES, VALUES.map("Digest {}".format)), user=VALUES)
def test_admission(authorization: str, user: str) -> None:
    door = Door()
    try:
        asked = with_headers(register(), [("Authorization", authorization), ("P-Asserted-Identity", user)])
    except MalformedMessage:
        return
    assert isinstance(asked, Request) and isinstance(door.admission.judge(asked, PHONE), Challenged)
