"""A 3xx does not send our callers, or our passwords, to strangers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from callflow.channels.channel import DialTarget, Ended, Party
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.locate import Locator
from callflow.channels.sip.registrar import Registrar
from callflow.clock import VirtualClock
from tests.sip.access.support import Clock, account, accounts, device, settings
from tests.sip.session.ground import Phone, Side, event, phone, side, virtual


def test_a_phone_may_name_its_own_host_only() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port, roams=False)
            asked = await bob.next("INVITE")
            strange = [
                *("<sip:x@127.0.0.2:5060>", "<sip:x@premium.example>", "<sip:x@[::1]>"),
                f"<sip:x@127.0.0.1:{bob.port};maddr=127.0.0.2>",
            ]
            own = f"<sip:y@127.0.0.1:{bob.port}?Replaces=a&Subject=b>"
            for contacts in (strange, [own]):
                headers = [("Contact", contact) for contact in contacts]
                bob.reply(asked, 302, ann.hop.port, headers=headers, contact=False)
                if contacts is strange:
                    assert (await event(call, Ended)).code == 302
                    call = await ann.dial(bob.port, roams=False)
                    asked = await bob.next("INVITE")
            asked = await bob.next("INVITE")
            assert str(asked.uri) == f"sip:y@127.0.0.1:{bob.port}", "headers of a contact are no part of it"
            bob.reply(asked, 486, ann.hop.port)
            assert (await event(call, Ended)).code == 486

    virtual(main)


def test_a_password_stays_with_the_host_that_is_really_asked() -> None:
    async def main(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        _, mallory = await loop.create_datagram_endpoint(Phone, local_addr=("127.0.0.2", 0))
        async with side(clock) as ann, phone() as bob:
            await ann.dial(bob.port, credentials=Credentials("ann", "secret"))
            asked = await bob.next("INVITE")
            away = f"<sip:z@127.0.0.1:{mallory.port};maddr=127.0.0.2>"
            bob.reply(asked, 302, ann.hop.port, headers=[("Contact", away)], contact=False)
            asked = await mallory.next("INVITE")
            challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n"')
            mallory.reply(asked, 401, ann.hop.port, headers=[challenge], contact=False)
            await clock.sleep(5.0)
            assert mallory.count("INVITE") == 1
        mallory.close()

    virtual(main)


def test_devices_do_not_roam() -> None:
    desk = device()
    desk["sip"] |= {"invite_format": "route", "route": "sip:desk@192.0.2.9"}
    acme = accounts(account(device={"desk": desk}))
    clock = Clock()
    locator = Locator(acme, Registrar(settings(), clock), settings(), clock)
    way = locator.way("acme", DialTarget("device", "desk"), Party("1", "2"))
    assert way.request_uri is not None and not way.roams
    assert way.realm == "acme.example"


async def _refused_with(ann: Side, bob: Phone, *contacts: str, **more: Any) -> Ended:
    """How a call ends that gets a 302 with these contacts."""
    call = await ann.dial(bob.port, **more)
    headers = [("Contact", contact) for contact in contacts]
    bob.reply(await bob.next("INVITE"), 302, ann.hop.port, headers=headers, contact=False)
    return cast(Ended, await event(call, Ended))


def test_a_number_of_our_own_is_for_the_engine_to_route() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            here, realm = f"127.0.0.1:{ann.hop.port}", "acme.example"
            for contact in (
                f"<sip:300@{here}>",
                f"<sip:300;phone-context=x@{realm.upper()};transport=tcp?Subject=x>",
                "<tel:300>",
            ):
                ended = await _refused_with(ann, bob, contact, roams=False, realm=realm)
                assert (ended.code, ended.forward) == (302, "300"), contact
            for contact in (
                f"<sip:{here}>",
                "<sip:300@other.example>",
                f"<sip:300@127.0.0.1:{ann.hop.port + 1};maddr=127.0.0.9>",
                f"<sip:{'3' * 200}@{realm}>",
            ):
                ended = await _refused_with(ann, bob, contact, roams=False, realm=realm)
                assert ended.forward == "", contact
            assert bob.count("INVITE") == 7, "our own address was never called"

    virtual(main)


def test_what_is_named_before_our_number_is_tried_first_and_the_rest_not() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            own = f"127.0.0.1:{bob.port}"
            call = await ann.dial(bob.port, roams=False, realm="acme.example")
            contacts = f"<sip:last@{own}>;q=0.1, <sip:300@acme.example>;q=0.5, <sip:first@{own}>;q=0.9"
            asked = await bob.next("INVITE")
            bob.reply(asked, 302, ann.hop.port, headers=[("Contact", contacts)], contact=False)
            asked = await bob.next("INVITE")
            assert asked.uri.user == "first"
            bob.reply(asked, 486, ann.hop.port)
            assert await event(call, Ended) == Ended("USER_BUSY", 486, forward="300")
            assert bob.count("INVITE") == 2

    virtual(main)
