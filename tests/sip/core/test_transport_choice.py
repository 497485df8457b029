"""Which transport a message takes: long requests, TLS, our own address; uvloop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

import pytest
import trustme

from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.message import Request, Response, new_response, read_message
from callflow.channels.sip.stack import SipStack
from callflow.channels.sip.transport import Hop
from callflow.clock import SystemClock, VirtualClock
from callflow.errors import ListenError
from tests.sip.core.network import LOOPBACK, Plain, played, stage
from tests.sip.core.torture import request
from tests.sip.core.uas import Caller, Uas, a_request

OPTIONS = request("OPTIONS sip:b@h SIP/2.0", via=f"Via: SIP/2.0/TCP {LOOPBACK};branch=z9hG4bK1")


def test_a_long_request_goes_by_tcp_where_the_peer_takes_it() -> None:
    async def main(clock: VirtualClock) -> None:
        for more, transport in ((("tcp",), "TCP"), ((), "UDP")):
            async with stage(clock, more=more) as on:
                for n, (size, by) in enumerate(((1_400, transport), (100, "UDP"), (1_400, transport))):
                    caller = Caller()
                    long = a_request("INFO", call=f"{transport}{n}", body=b"x" * size)
                    sent = on.caller.send_request(long, on.hop, caller)
                    assert await caller.done == "200"
                    got = on.uas.requests[-1]
                    assert got.via.transport == by == sent.hop.transport.upper()
                    assert len(got.vias) == 1 and got.via.branch == sent.branch
                assert len(on.uas.requests) == 3
                assert on.caller.over_tcp(on.hop, 1_400) is (transport == "TCP"), (
                    "what was tried is remembered"
                )

    played(main)


def test_a_peer_that_takes_no_tcp_is_remembered() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:
            assert on.caller.over_tcp(on.hop, 1_301) and not on.caller.over_tcp(on.hop, 1_300)
            on.caller.no_tcp(on.hop)
            assert not on.caller.over_tcp(on.hop, 1_400)
            await clock.sleep(601)
            assert on.caller.over_tcp(on.hop, 1_400)
            for n in range(3_000):
                on.caller.no_tcp(Hop("udp", "10.0.0.1", n))
            assert len(on.caller._no_tcp) <= 1_024

    played(main)


def test_a_long_datagram_is_dropped_and_a_short_one_is_a_keep_alive() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, limits=StackLimits(datagram_bytes=1_000)) as on:
            short, long = Caller(), Caller()
            on.caller.send_request(a_request("INFO", call="s"), on.hop, short)
            assert await short.done == "200"
            on.caller.no_tcp(on.hop)
            on.caller.send_request(a_request("INFO", call="l", body=b"x" * 900), on.hop, long)
            assert await long.done == "timeout"
            loop = asyncio.get_running_loop()
            plain, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(on.hop.host, on.hop.port)
            )
            for data in (b"", b"\0", b"\r\n\r\n"):
                plain.sendto(data)
            await clock.sleep(0.1)
            assert len(on.uas.requests) == 1 and not on.answerer.counted
            plain.close()

    played(main)


def test_our_own_address_is_the_one_the_peer_sees() -> None:
    async def main(clock: VirtualClock) -> None:
        stack = SipStack(clock)
        Uas(stack)
        udp = await stack.listen("udp", LOOPBACK, 0)
        tcp = await stack.listen("tcp", LOOPBACK, 0)
        assert stack.local(Hop("udp", LOOPBACK, 5060)) == (LOOPBACK, udp.port)
        assert stack.local(Hop("tcp", LOOPBACK, 5060)) == (LOOPBACK, tcp.port)
        assert stack._transports._seen("0.0.0.0", LOOPBACK) == LOOPBACK
        for bad in (("udp", udp.port), ("tcp", tcp.port), ("tls", 0), ("ws", 0)):
            with pytest.raises(ListenError, match=bad[0]):
                await stack.listen(bad[0], LOOPBACK, bad[1])
        await stack.close()

    played(main)


def _tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server on loopback, and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost", LOOPBACK).configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("host", ["localhost", LOOPBACK])
def test_tls_with_a_certificate_that_is_checked(host: str) -> None:
    async def main(clock: VirtualClock) -> None:
        server, client = _tls()
        answerer, caller = SipStack(clock), SipStack(clock, tls_client=client)
        stranger = SipStack(clock, tls_client=ssl.create_default_context())
        uas, at_caller = Uas(answerer), Uas(caller)
        Uas(stranger)
        listening = await answerer.listen("tls", LOOPBACK, 0, server)
        hop = Hop("tls", host, listening.port)
        with clock.external():
            for stack, outcome in ((caller, "200"), (stranger, "failed")):
                told = Caller()
                stack.send_request(a_request(call=outcome), hop, told)
                assert await told.done == outcome
        [invite] = uas.requests
        assert invite.via.transport == "TLS" and "certificate" in told.failures[0].message
        back = Caller()
        source = Hop("tls", LOOPBACK, int(invite.via.params["rport"]))
        answerer.send_request(a_request("BYE"), source, back)
        assert await back.done == "200" and at_caller.requests[0].method == "BYE"
        for stack in (caller, answerer, stranger):
            await stack.close()
        await clock.sleep(0.01)

    played(main)


@pytest.mark.skipif(sys.platform == "win32", reason="no uvloop there")
def test_it_runs_on_uvloop() -> None:
    import uvloop

    async def main() -> None:
        answerer, caller = SipStack(SystemClock()), SipStack(SystemClock())
        uas = Uas(answerer)
        Uas(caller)
        udp = await answerer.listen("udp", LOOPBACK, 0)
        tcp = await answerer.listen("tcp", LOOPBACK, 0)
        await caller.listen("udp", LOOPBACK, 0)
        for hop in (udp, tcp):
            told = Caller()
            caller.send_request(a_request("OPTIONS", call=hop.transport), hop, told)
            assert await told.done == "200"
        nowhere = Caller()
        caller.send_request(a_request("OPTIONS"), Hop("udp", "::1", 9), nowhere)
        assert await nowhere.done == "failed"
        assert len(uas.requests) == 2
        await caller.close()
        await answerer.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_an_answer_is_read_back_from_the_wire() -> None:
    """What the stack writes is what it reads."""
    invite = read_message(OPTIONS)
    assert isinstance(invite, Request)
    again = read_message(
        new_response(invite, 200, to_tag="t", body=b"hi", content_type="text/plain").to_bytes()
    )
    assert isinstance(again, Response) and again.body == b"hi" and again.content_type == "text/plain"


def test_a_tls_handshake_that_does_not_come_is_given_up() -> None:
    async def main(clock: VirtualClock) -> None:
        stack = SipStack(clock)
        Uas(stack)
        hop = await stack.listen("tls", LOOPBACK, 0, _tls()[0])
        peer = await Plain.to(hop)
        assert await peer.next() == b"" and clock.now() == pytest.approx(10, abs=0.5)
        await peer.close()
        await stack.close()

    played(main)


@pytest.mark.parametrize(("transport", "gives_up_at"), [("tcp", 5.0), ("udp", 1.0)])
def test_a_connection_that_does_not_come_up_is_given_up(transport: str, gives_up_at: float) -> None:
    """Soon where TCP was only tried because the request is long: then it goes by UDP."""

    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:
            with socket.socket() as deaf, socket.socket() as first:
                deaf.bind((LOOPBACK, on.hop.port))
                deaf.listen(0)
                first.connect((LOOPBACK, on.hop.port))  # one fills the queue; nobody takes it
                caller = Caller()
                request = a_request("INFO", body=b"x" * 1_400)
                on.caller.send_request(request, Hop(transport, LOOPBACK, on.hop.port), caller)
                assert await caller.done == ("failed" if transport == "tcp" else "200")
                assert clock.now() == pytest.approx(gives_up_at, abs=0.2)

    played(main)
