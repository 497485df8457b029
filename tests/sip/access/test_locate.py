"""Where an outbound leg goes: phones, fixed addresses, gateways."""

from __future__ import annotations

from typing import Any

import pytest

from callflow.channels.channel import DialTarget, Party
from callflow.channels.sip.admission import Admitted
from callflow.channels.sip.locate import MAX_HEADERS, Locator
from callflow.channels.sip.registrar import Registrar
from callflow.channels.sip.transport import Hop
from callflow.documents.accounts import Account
from callflow.engine.dialling.identity import Identity
from tests.sip.access.support import PHONE, Clock, account, accounts, device, register, settings

CALLER = Party("1001", "2001", "Alice")
GATEWAY = {
    "server": "sip.carrier.example",
    "port": 5080,
    "transport": "tcp",
    "username": "acme",
    "password": "trunk-horse",
    "codecs": ["PCMA"],
    "srtp": "off",
    "custom_sip_headers": {"X-Customer": "7"},
}


class Map:
    """A locator and what it knows."""

    def __init__(self, found: Account) -> None:
        self.clock = Clock()
        self.account = found
        self.registrar = Registrar(settings(), self.clock)
        self.locator = Locator(accounts(found), self.registrar, settings(gateway_rest_s=30), self.clock)

    def register(self, id: str, *contacts: str, source: Hop = PHONE, headers: Any = ()) -> None:
        who = Admitted("acme", Party("", "", device_id=id), "acme.example", username="desk7")
        asked = register(*contacts, headers=list(headers), call_id=contacts[0])
        assert self.registrar.register(asked, source, who).status == 200

    def target(self, id: str, **more: Any) -> DialTarget:
        return DialTarget("device", id, self.account.get("device", id) or {}, **more)


def test_a_device_rings_on_all_its_phones_each_where_it_came_from() -> None:
    here = Map(account(device={"desk": device(owner_id="alice")}))
    here.register("desk", "<sip:desk7@10.0.0.9:5060>", headers=[("Path", "<sip:edge.example;lr>")])
    here.register("desk", "<sip:desk7@10.0.0.8;transport=tcp>;q=0.3", source=Hop("tcp", "192.0.2.9", 4000, 3))
    first, second = here.locator.expand("acme", here.target("desk", delay_s=2.0))
    assert first.delay_s == second.delay_s == 2.0
    way = here.locator.way("acme", first, CALLER)
    assert (str(way.request_uri), way.hop, way.cause) == ("sip:desk7@10.0.0.9:5060", PHONE, "")
    assert [str(route.uri) for route in way.routes] == ["sip:edge.example;lr"]
    assert way.from_ and way.to and way.from_.display == "Alice"
    assert (str(way.from_.uri), str(way.to.uri)) == ("sip:1001@acme.example", "sip:desk7@acme.example")
    assert (way.device_id, way.user_id) == ("desk", "alice")
    assert here.locator.way("acme", second, CALLER).hop == Hop("tcp", "192.0.2.9", 4000, 3)


def test_a_device_without_a_phone_is_itself_and_cannot_be_rung() -> None:
    here = Map(account(device={"desk": device()}))
    target = here.target("desk")
    assert list(here.locator.expand("acme", target)) == [target]
    way = here.locator.way("acme", target, CALLER)
    assert (way.cause, way.code, way.request_uri) == ("USER_NOT_REGISTERED", 480, None)


def test_a_phone_that_is_gone_by_now_cannot_be_rung() -> None:
    here = Map(account(device={"desk": device()}))
    here.register("desk", "<sip:desk7@10.0.0.9>;expires=60")
    (target,) = here.locator.expand("acme", here.target("desk"))
    here.clock.at = 61.0
    assert here.locator.way("acme", target, CALLER).cause == "USER_NOT_REGISTERED"


def test_a_user_rings_on_the_phones_of_the_devices_it_owns() -> None:
    devices = {id: device(owner_id="alice") for id in ("desk", "mobile")} | {"other": device(owner_id="bob")}
    here = Map(account(device=devices))
    here.register("mobile", "<sip:m@10.0.0.1>")
    targets = here.locator.expand("acme", DialTarget("user", "alice"))
    assert [(target.endpoint, target.id) for target in targets] == [("device", "desk"), ("device", "mobile")]
    nobody = DialTarget("user", "zoe")
    assert list(here.locator.expand("acme", nobody)) == [nobody]
    assert here.locator.way("acme", nobody, CALLER).cause == "USER_NOT_REGISTERED"


@pytest.mark.parametrize(
    ("sip", "uri"),
    [
        (
            {"invite_format": "route", "route": "sip:9@192.0.2.5;transport=tls"},
            "sip:9@192.0.2.5;transport=tls",
        ),
        ({"static_route": "sip:100@pbx.example"}, "sip:100@pbx.example"),
        ({"method": "ip", "ip": "192.0.2.20:5070", "username": "gw"}, "sip:gw@192.0.2.20:5070"),
        ({"method": "ip", "ip": "2001:db8::5"}, "sip:fixed@[2001:db8::5]"),
    ],
    ids=["route", "static_route", "ip", "IPv6"],
)
def test_a_device_with_a_fixed_address_needs_not_register(sip: dict[str, str], uri: str) -> None:
    here = Map(account(device={"fixed": {"sip": sip}}))
    (target,) = here.locator.expand("acme", here.target("fixed"))
    way = here.locator.way("acme", target, CALLER)
    assert (str(way.request_uri), way.hop) == (uri, None)


def test_a_fixed_address_that_is_none() -> None:
    here = Map(account(device={"fixed": {"sip": {"invite_format": "route", "route": "http://x"}}}))
    assert here.locator.way("acme", here.target("fixed"), CALLER).cause == "INVALID_NUMBER_FORMAT"


def test_a_device_says_codecs_encryption_and_user_part() -> None:
    document = device(media={"audio": {"codecs": ["PCMA"]}, "encryption": {"enforce_security": True}})
    document["sip"]["static_invite"] = "777"
    here = Map(account(device={"desk": document}))
    here.register("desk", "<sip:desk7@10.0.0.9>")
    way = here.locator.way("acme", here.target("desk"), CALLER)
    assert (way.codecs, way.srtp, str(way.request_uri)) == (("PCMA",), "required", "sip:777@10.0.0.9")


def test_a_stream_of_an_earlier_process_is_left_and_the_contact_tried() -> None:
    here = Map(account(device={"desk": device()}))
    here.register("desk", "<sip:desk7@10.0.0.9;transport=tcp>", source=Hop("tcp", "192.0.2.9", 40_000))
    assert here.locator.way("acme", here.target("desk"), CALLER).hop is None


def test_a_number_goes_to_the_gateway_that_is_named() -> None:
    here = Map(account(resource={"carrier": {"gateways": [{"server": "192.0.2.1"}, GATEWAY]}}))
    target = DialTarget(
        "number", "+14155550123", contact="carrier/1", headers={"X-Call": "a\r\nb", "Via": "evil"}
    )
    way = here.locator.way("acme", target, CALLER)
    assert (
        str(way.request_uri) == "sip:+14155550123@sip.carrier.example:5080;transport=tcp" and way.hop is None
    )
    assert way.credentials is not None and way.credentials.username == "acme"
    assert (way.codecs, way.srtp) == (("PCMA",), "off")
    assert way.from_ is not None and str(way.from_.uri) == "sip:1001@sip.carrier.example"
    assert way.headers == (("X-Customer", "7"), ("X-Call", "a  b")), "no line break, nothing of the dialog's"
    assert "horse" not in repr(way)


def test_a_hidden_caller_and_a_ring_tone_go_out_as_headers() -> None:
    here = Map(account(device={"desk": device()}))
    here.register("desk", "<sip:desk7@10.0.0.9:5060>")
    identity = Identity(here.account, CALLER)
    identity.hide()
    identity.alert_info = "<http://127.0.0.1>;info=bell"
    target = identity.present(here.target("desk"))
    assert target.caller is not None
    way = here.locator.way("acme", target, target.caller)
    assert way.from_ and str(way.from_) == '"Anonymous" <sip:anonymous@acme.example>'
    assert way.headers == (("Privacy", "id"), ("Alert-Info", "<http://127.0.0.1>;info=bell"))


@pytest.mark.parametrize("contact", ["", "carrier/9", "other/0"])
def test_a_number_without_a_gateway_has_no_route(contact: str) -> None:
    here = Map(account(resource={"carrier": {"gateways": [GATEWAY]}}))
    way = here.locator.way("acme", DialTarget("number", "911", contact=contact), CALLER)
    assert (way.cause, way.code) == ("NO_ROUTE_DESTINATION", 404)


def test_another_accounts_gateway_is_not_there() -> None:
    here = Map(account(resource={"carrier": {"gateways": [GATEWAY]}}))
    way = here.locator.way("other", DialTarget("number", "911", contact="carrier/0"), CALLER)
    assert way.cause == "NO_ROUTE_DESTINATION"


def test_a_gateway_that_fails_rests_for_a_while() -> None:
    here = Map(account(resource={"carrier": {"gateways": [GATEWAY, GATEWAY]}}))
    first, second = (DialTarget("number", "1", contact=f"carrier/{n}") for n in (0, 1))
    here.locator.outcome("acme", first, 503)
    assert here.locator.resting("acme", first) and not here.locator.resting("acme", second)
    here.clock.at = 30.0
    assert not here.locator.resting("acme", first)
    here.locator.outcome("acme", first, 0)
    here.locator.outcome("acme", second, 486)
    assert here.locator.resting("acme", first) and not here.locator.resting("acme", second)
    here.locator.outcome("acme", first, 200)
    assert not here.locator.resting("acme", first)
    phone = DialTarget("device", "desk")
    here.locator.outcome("acme", phone, 503)
    assert not here.locator.resting("acme", phone)


def test_headers_are_bounded() -> None:
    here = Map(account(resource={"carrier": {"gateways": [{"server": "192.0.2.1"}]}}))
    headers = {f"X-{n}": "v" * 5000 for n in range(100)} | {"bad name": "x", "": "x"}
    way = here.locator.way("acme", DialTarget("number", "1", contact="carrier/0", headers=headers), CALLER)
    assert len(way.headers) == MAX_HEADERS and all(len(value) <= 1024 for _, value in way.headers)


def test_a_carrier_sees_what_its_formatters_make_of_numbers_names_and_headers() -> None:
    formatters = {
        "to_did": {"regex": r"^\+(.*)$", "prefix": "00"},
        "to": {"value": "desk"},
        "from": [{"regex": r"^(\d+)$", "prefix": "+1"}],
        "outbound_caller_id_name": {"strip": True},
        "X-Tag": {"value": "t\r\nVia: x"},
        "x_secret": {"strip": True},
    }
    carrier = {"name": "C", "gateways": [{"server": "192.0.2.1", "prefix": "+"}], "formatters": formatters}
    here = Map(account(resource={"c": carrier}))
    target = DialTarget(
        "number", "+493055", contact="c/0", headers={"X-Tag": "1", "X-Secret": "2", "X-Y": "3"}
    )
    way = here.locator.way("acme", target, Party("4158867900", "1", from_name="Ann"))
    assert way.request_uri is not None and way.from_ is not None and way.to is not None
    assert (way.request_uri.user, way.to.uri.user) == ("00493055", "desk")
    assert (way.from_.uri.user, way.from_.display) == ("+14158867900", "")
    assert way.headers == (("X-Tag", "t  Via: x"), ("X-Y", "3"))
    carrier["formatters"] = {"from": {"strip": True}}
    hidden = Map(account(resource={"c": carrier})).locator.way("acme", target, Party("1", "1"))
    assert hidden.from_ is not None and hidden.from_.uri.user == "anonymous"
