"""Bounds that no other test holds; the table in docs/sip.md says which test holds which."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from callflow.channels.sip import admission
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.dialog import MOST_ROUTES, as_server
from callflow.channels.sip.digest import DigestServer
from callflow.channels.sip.digest_client import MAX_ROUNDS
from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.sdp import MOST_CRYPTO, read_sdp
from callflow.channels.sip.stack import MOST_NO_TCP, SipStack
from callflow.channels.sip.transport import Hop
from callflow.clock import VirtualClock
from tests.sip.access.support import PHONE, Door, request, with_headers
from tests.sip.core.uas import Uas
from tests.sip.session.ground import phone, sdp, side, virtual


def test_a_tls_handshake_that_does_not_go_on_is_closed() -> None:
    async def main(clock: VirtualClock) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        stack = SipStack(clock, limits=StackLimits(handshake_s=10))
        Uas(stack)
        hop = await stack.listen("tls", "127.0.0.1", 0, context)
        reader, writer = await asyncio.open_connection("127.0.0.1", hop.port)
        writer.write(b"\x16\x03\x01")
        assert await reader.read() == b"" and 9 < clock.now() < 12
        writer.close()
        await stack.close()

    virtual(main)


@pytest.mark.parametrize(("limits", "taken"), [({"handshakes": 3}, 3), ({"handshakes_per_address": 2}, 2)])
def test_so_many_tls_handshakes_at_once(limits: dict[str, int], taken: int) -> None:
    async def main(clock: VirtualClock) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority = trustme.CA()
        authority.issue_cert("127.0.0.1").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        stack = SipStack(clock, limits=StackLimits(**limits))
        Uas(stack)
        hop = await stack.listen("tls", "127.0.0.1", 0, context)
        opened = [await asyncio.open_connection("127.0.0.1", hop.port) for _ in range(6)]
        await clock.sleep(1.0)
        cut = [reader for reader, _ in opened if reader.at_eof()]
        assert len(cut) == 6 - taken == stack._transports.refused
        for _, writer in opened:
            writer.close()
        await clock.sleep(1.0)  # who has gone makes room
        with clock.external():
            _, through = await asyncio.open_connection("127.0.0.1", hop.port, ssl=trusting)
        more = [await asyncio.open_connection("127.0.0.1", hop.port) for _ in range(taken)]
        await clock.sleep(1.0)
        assert not any(reader.at_eof() for reader, _ in more), "who is through counts no more"
        for _, writer in more:
            writer.close()
        through.close()
        await stack.close()

    virtual(main)


def test_so_many_authorizations_of_a_request_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    judged: list[str] = []
    judge = DigestServer.judge

    def counted(self: DigestServer, authorization: str, *rest: object, **more: object) -> object:
        judged.append(authorization)
        return judge(self, authorization, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(DigestServer, "judge", counted)
    claim = 'Digest username="a", realm="b", nonce="c", uri="d", response="e"'
    door.admission.judge(with_headers(request(), [("Authorization", claim)] * 50), PHONE)
    assert len(judged) == admission.MAX_CLAIMS


def test_so_many_routes_are_kept() -> None:
    rows = [("Record-Route", ", ".join(["<sip:p.example;lr>"] * 100)), ("Contact", "<sip:a@192.0.2.1>")]
    assert len(as_server(request(headers=rows), "t").routes) == MOST_ROUTES


def test_so_many_keys_of_an_sdp_are_kept() -> None:
    key = "inline:" + "A" * 40
    lines = [f"a=crypto:{tag}{chr(32)}AES_CM_128_HMAC_SHA1_80{chr(32)}{key}" for tag in range(1, 60)]
    body = sdp() + "".join(f"{line}\r\n" for line in lines).encode()
    assert len(read_sdp(body).media[0].crypto) == MOST_CRYPTO


def test_a_server_that_is_never_satisfied_is_answered_so_often() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            await ann.dial(bob.port, credentials=Credentials("ann", "secret"))
            for number in range(MAX_ROUNDS + 1):
                asked = await bob.next("INVITE")
                challenge = ("WWW-Authenticate", f'Digest realm="r", nonce="{number}", stale=true')
                bob.reply(asked, 401, ann.hop.port, headers=[challenge], contact=False)
                await clock.sleep(0.1)
            assert bob.count("INVITE") == MAX_ROUNDS + 1
            await ann.quiet()

    virtual(main)


def test_so_many_peers_without_tcp_are_remembered() -> None:
    stack = SipStack(VirtualClock())
    for port in range(1, 3 * MOST_NO_TCP):
        stack.no_tcp(Hop("udp", "192.0.2.1", port))
    assert len(stack._no_tcp) <= MOST_NO_TCP
