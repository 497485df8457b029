"""REGISTER (RFC 3261 10.3), in time that is put forward by hand."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from callflow.channels.channel import Party
from callflow.channels.sip.admission import Admitted
from callflow.channels.sip.message import Response
from callflow.channels.sip.registrar import Binding, Registrar
from callflow.channels.sip.transport import Hop
from tests.sip.access.support import PHONE, WALL, Clock, register, settings

WHO = Admitted("acme", Party("1001", "", device_id="desk"), "acme.example", username="desk7")
KEY = ("acme", "desk")


class Desk:
    """A registrar and the device that registers there."""

    def __init__(self, **over: object) -> None:
        self.clock = Clock()
        self.registrar = Registrar(settings(**over), self.clock)
        self.cseq = 0

    def send(self, *contacts: str, source: Hop = PHONE, who: Admitted = WHO, **other: Any) -> Response:
        self.cseq += 1
        asked = register(*contacts, **{"cseq": self.cseq, **other})
        return self.registrar.register(asked, source, who)

    @property
    def contacts(self) -> list[str]:
        return [binding.contact for binding in self.registrar.bindings(*KEY)]


def test_a_phone_registers_and_comes_back_in_the_answer() -> None:
    desk = Desk()
    answer = desk.send("<sip:desk7@10.0.0.9:5060>;expires=600", headers=[("User-Agent", "Phone/1")])
    assert answer.status == 200 and answer.all("Contact") == ["<sip:desk7@10.0.0.9:5060>;expires=600"]
    (binding,) = desk.registrar.bindings(*KEY)
    assert binding.hop == PHONE and binding.user_agent == "Phone/1" and binding.expires_at == WALL + 600
    desk.clock.at = 599.0
    assert desk.contacts and desk.registrar.count == 1
    desk.clock.at = 600.0
    assert desk.contacts == [] and desk.registrar.count == 0


def test_phones_that_come_and_go_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    phone = "<sip:desk7@10.0.0.9:5060>"
    with caplog.at_level(logging.INFO, "callflow"):
        desk.send(phone, headers=[("User-Agent", "Phone/1 beta")])
        desk.send(phone)
        desk.send(f"{phone};expires=0")
    assert caplog.messages == [
        "device desk of account acme is registered at sip:desk7@10.0.0.9:5060 (Phone/1 beta)",
        "device desk of account acme is no longer registered at sip:desk7@10.0.0.9:5060",
    ]


@pytest.mark.parametrize(
    ("contact", "header", "seconds"),
    [
        (";expires=300", "900", 300),
        ("", "900", 900),
        ("", "", 3600),
        (";expires=99999999999999999999", "", 3600),
        (";expires=soon", "", 3600),
        ("", "-5", 3600),
    ],
    ids=["parameter over header", "header", "neither", "clamped", "unreadable", "negative"],
)
def test_how_long(contact: str, header: str, seconds: int) -> None:
    desk = Desk()
    assert f"expires={seconds}" in desk.send(f"<sip:a@b>{contact}", expires=header).get("Contact")


def test_too_brief_is_told_how_long_at_least() -> None:
    desk = Desk(registration_min_s=60)
    answer = desk.send("<sip:a@b>;expires=59")
    assert (answer.status, answer.get("Min-Expires")) == (423, "60") and desk.contacts == []


def test_fetching_changes_nothing() -> None:
    desk = Desk()
    desk.send("<sip:a@b>;expires=600")
    desk.clock.at = 100.0
    assert desk.send().all("Contact") == ["<sip:a@b>;expires=500"] and desk.contacts == ["sip:a@b"]


def test_a_registration_that_expires_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    caplog.set_level("INFO")
    desk.send("<sip:a@b>;expires=600", "<sip:c@d>;expires=900")
    for at in (500.0, 601.0, 602.0, 700.0):
        desk.clock.at = at
        assert desk.registrar.count == (2 if at < 600 else 1)
    (line,) = [record.getMessage() for record in caplog.records if "in time" in record.getMessage()]
    assert line.startswith("device desk of account acme is no longer registered at sip:a@b: ")


def test_unregistering_one_and_all() -> None:
    desk = Desk()
    desk.send("<sip:a@b>", "<sip:c@d>")
    assert desk.send("<sip:a@b>;expires=0").status == 200 and desk.contacts == ["sip:c@d"]
    assert desk.send("*", expires="0").all("Contact") == [] and desk.contacts == []


@pytest.mark.parametrize(
    ("contacts", "expires"),
    [(("*",), ""), (("*",), "60"), (("*", "<sip:a@b>"), "0")],
    ids=["no", "60", "two"],
)
def test_a_star_that_is_wrong_changes_nothing(contacts: tuple[str, ...], expires: str) -> None:
    desk = Desk()
    desk.send("<sip:a@b>")
    assert desk.send(*contacts, expires=expires).status == 400 and desk.contacts == ["sip:a@b"]


def test_out_of_order_requests_change_nothing() -> None:
    desk = Desk()
    desk.send("<sip:a@b>;expires=600", cseq=7)
    for contacts, expires in (
        (("<sip:a@b>;expires=0",), ""),
        (("*",), "0"),
        (("<sip:new@b>", "<sip:a@b>"), ""),
    ):
        assert desk.send(*contacts, expires=expires, cseq=7).status == 500
    assert desk.contacts == ["sip:a@b"]
    assert desk.send("<sip:a@b>;expires=0", cseq=1, call_id="another").status == 200 and desk.contacts == []


def test_the_highest_q_comes_first() -> None:
    desk = Desk()
    desk.send("<sip:low@b>;q=0.2", "<sip:high@b>;q=0.9", "<sip:bad@b>;q=7", "<sip:none@b>")
    assert desk.contacts == ["sip:bad@b", "sip:none@b", "sip:high@b", "sip:low@b"]
    assert "<sip:low@b>;expires=3600;q=0.2" in desk.send().all("Contact")


def test_the_same_contact_is_one_binding_however_it_is_written() -> None:
    desk = Desk()
    desk.send("<sip:desk7@EXAMPLE.com:5060;transport=udp>")
    desk.send("<sip:desk7@example.com:5060;Transport=UDP>", source=Hop("udp", "192.0.2.88", 7))
    (binding,) = desk.registrar.bindings(*KEY)
    assert binding.hop.host == "192.0.2.88"


def test_the_same_phone_under_another_address_takes_its_own_place() -> None:
    """RFC 5626 6: instance and reg-id, not the contact, say which phone it is."""
    desk = Desk()
    phone = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
    desk.send(f"<sip:desk7@10.0.0.9:5060>{phone};reg-id=1")
    desk.send(f"<sip:desk7@10.0.0.9:6000>{phone};reg-id=1", call_id="after a restart")
    assert desk.contacts == ["sip:desk7@10.0.0.9:6000"]
    desk.send(f"<sip:desk7@10.0.0.9:7000>{phone};reg-id=2", call_id="second flow")
    assert len(desk.contacts) == 2
    assert "urn:uuid:00000000" in desk.send().get("Contact")


def test_the_path_is_kept_and_told() -> None:
    desk = Desk()
    rows = [("Path", "<sip:edge1.example;lr>, <sip:edge2.example;lr>"), ("Supported", "path")]
    answer = desk.send("<sip:a@b>", headers=rows)
    assert answer.all("Path") == ["<sip:edge1.example;lr>, <sip:edge2.example;lr>"]
    (binding,) = desk.registrar.bindings(*KEY)
    assert binding.path == ("sip:edge1.example;lr", "sip:edge2.example;lr")
    assert desk.send("<sip:a@b>", headers=[("Path", "<<")]).status == 400
    assert desk.send("<sip:a@b>", headers=[("Path", "<sip:e.example;lr>")] * 9).status == 400


@pytest.mark.parametrize(
    ("contact", "status"),
    [("<mailto:a@b>", 400), ("<tel:+1234>", 400), (f"<sip:{'a' * 1100}@b>", 400), ("<sip:ok@b>", 200)],
    ids=["mailto", "tel", "too long", "fine"],
)
def test_contacts_that_cannot_be_called(contact: str, status: int) -> None:
    desk = Desk()
    assert desk.send("<sip:first@b>", contact).status == status
    assert len(desk.contacts) == (2 if status == 200 else 0), "all or nothing"


def test_a_device_has_so_many_contacts_and_the_oldest_give_way() -> None:
    desk = Desk(max_contacts=2)
    assert desk.send("<sip:a@b>", "<sip:c@b>", "<sip:d@b>").status == 403 and desk.contacts == []
    for at, name in enumerate(("a", "c", "d")):
        desk.clock.at = float(at)
        desk.send(f"<sip:{name}@b>")
    assert sorted(desk.contacts) == ["sip:c@b", "sip:d@b"]


def test_the_oldest_contact_gives_way_however_much_it_is_liked() -> None:
    desk = Desk(max_contacts=2)
    for at, contact in enumerate(("<sip:a@b>;q=1.0", "<sip:c@b>;q=0.1", "<sip:d@b>;q=0.5")):
        desk.clock.at = float(at)
        desk.send(contact)
    assert desk.contacts == ["sip:d@b", "sip:c@b"]


def test_only_for_oneself() -> None:
    desk = Desk()
    assert desk.send("<sip:a@b>", to="<sip:boss@acme.example>").status == 403
    trunk = Admitted("acme", Party("1", ""), "acme.example", trunk="carrier")
    assert desk.send("<sip:a@b>", who=trunk).status == 403 and desk.registrar.count == 0


def test_extensions_that_are_not_there_are_refused() -> None:
    answer = Desk().send("<sip:a@b>", headers=[("Require", "gruu, path")])
    assert (answer.status, answer.get("Unsupported")) == (420, "gruu")


def test_phones_of_a_connection_that_is_gone_are_called_at_their_contacts() -> None:
    desk = Desk()
    here, there = Hop("tcp", "192.0.2.77", 4000, 1), Hop("tcp", "192.0.2.77", 4001, 2)
    outbound = ';+sip.instance="<urn:uuid:1>";reg-id=1'
    desk.send("<sip:a@b;transport=tcp>", f"<sip:o@b;transport=tcp>{outbound}", source=here)
    desk.send("<sip:c@b;transport=tcp>", source=there)
    desk.send("<sip:e@b>")
    desk.registrar.forget_flow(PHONE)
    assert len(desk.contacts) == 4
    desk.registrar.forget_flow(here)
    hops = {binding.contact: binding.hop for binding in desk.registrar.bindings(*KEY)}
    assert hops == {
        "sip:a@b;transport=tcp": Hop("tcp", "192.0.2.77", 4000),
        "sip:c@b;transport=tcp": there,
        "sip:e@b": PHONE,
    }


def test_who_wants_to_know_is_told_of_changes() -> None:
    desk = Desk()
    told: list[int] = []
    desk.registrar.changed = lambda: told.append(desk.registrar.count)
    desk.send("<sip:a@b>")
    desk.send()
    desk.send("<sip:a@b>;expires=1")
    desk.send("*", expires="0")
    assert told == [1, 0]


def test_what_is_restored_is_bounded_and_not_for_ever() -> None:
    desk = Desk(max_contacts=2)
    good = [_binding(f"sip:{n}@b", WALL + 100) for n in range(5)]
    desk.registrar.restore(
        [_binding("sip:eternal@b", float("inf")), _binding("sip:nan@b", float("nan")), *good]
    )
    assert desk.contacts == ["sip:0@b", "sip:1@b"]
    desk.registrar.keep_only({("acme", "other")})
    assert desk.contacts == []


def _binding(contact: str, expires_at: float) -> Binding:
    return Binding("acme", "desk", contact, expires_at, 1.0, "c", 1, PHONE)
