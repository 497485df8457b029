"""Transports on loopback: streams are framed, reused, bounded and closed; long requests; TLS; uvloop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

import pytest
import trustme

from callflow.channels.sip.limits_transport import StackLimits
from callflow.channels.sip.message import Request, Response, new_response, read_message
from callflow.channels.sip.stack import ServerTransaction, SipStack
from callflow.channels.sip.transport import Hop
from callflow.clock import SystemClock, VirtualClock
from callflow.errors import ListenError
from tests.sip.core.network import LOOPBACK, played, stage
from tests.sip.core.torture import request
from tests.sip.core.uas import Caller, Uas, a_request

OPTIONS = request("OPTIONS sip:b@h SIP/2.0", via=f"Via: SIP/2.0/TCP {LOOPBACK};branch=z9hG4bK1")


class Plain:
    """A peer that speaks bytes over TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    @classmethod
    async def to(cls, hop: Hop) -> Plain:
        return cls(*await asyncio.open_connection(hop.host, hop.port))

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.next()

    async def next(self) -> bytes:
        """What comes next; b"" when the peer has closed."""
        try:
            return await self._reader.read(65_536)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


def test_keep_alives_are_answered_and_messages_come_in_any_pieces() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp") as on:
            peer = await Plain.to(on.hop)
            assert await peer.ask(b"\r\n\r\n") == b"\r\n"
            for part in (OPTIONS[:30], OPTIONS[30:-1]):
                peer.writer.write(part)
                await clock.sleep(0.01)
            two = OPTIONS.replace(b"bK1", b"bK2")
            await clock.sleep(1)
            answers = await peer.ask(OPTIONS[-1:] + b"\r\n\r\n" + two)
            await clock.sleep(0.1)
            first, _, rest = answers.partition(b"\r\n\r\n")
            assert first.startswith(b"SIP/2.0 200") and rest.startswith(b"\r\nSIP/2.0 200")
            assert len(on.uas.requests) == 2
            await peer.close()

    played(main)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (OPTIONS.replace(b"Content-Length: 0\r\n", b""), b"400"),
        (OPTIONS.replace(b"Content-Length: 0", b"Content-Length: 99999999"), b"513"),
        (OPTIONS.replace(b"Max-", b"X: " + b"x" * 40_000 + b"\r\nMax-"), b"513"),
        (b"\x16\x03\x01" + b"x" * 40_000, b""),
    ],
)
def test_a_stream_that_cannot_be_read_on_is_answered_and_closed(data: bytes, status: bytes) -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp") as on:
            peer = await Plain.to(on.hop)
            peer.writer.write(data)
            answer = await peer.next()
            assert answer.startswith(b"SIP/2.0 " + status) if status else answer == b""
            assert not status or await peer.next() == b""
            assert on.uas.requests == [] and on.answerer.counted["malformed"] == 1
            await peer.close()

    played(main)


def test_a_malformed_message_does_not_end_a_stream() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp") as on:
            peer = await Plain.to(on.hop)
            assert (await peer.ask(OPTIONS.replace(b"CSeq: 8", b"CSeq: x"))).startswith(b"SIP/2.0 400")
            assert (await peer.ask(OPTIONS)).startswith(b"SIP/2.0 200")
            await peer.close()

    played(main)


@pytest.mark.parametrize(
    ("limits", "sent", "closed_at"),
    [
        (StackLimits(first_message_s=30), b"\r\n\r\n", 30),
        (StackLimits(message_s=15), OPTIONS[:50], 15),
        (StackLimits(message_s=15), OPTIONS + OPTIONS[:50], 15),
        (StackLimits(idle_s=60), OPTIONS, 60),
    ],
)
def test_a_slow_or_silent_peer_is_closed(limits: StackLimits, sent: bytes, closed_at: float) -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp", limits=limits) as on:
            peer = await Plain.to(on.hop)
            if not sent.startswith(OPTIONS[:50]) or len(sent) > 50:
                assert await peer.ask(sent)
            else:
                peer.writer.write(sent)
            while await peer.next():
                pass
            assert closed_at <= clock.now() <= closed_at * 1.5
            await peer.close()

    played(main)


def test_a_peer_that_drips_bytes_is_closed_too() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp", limits=StackLimits(message_s=15)) as on:
            peer = await Plain.to(on.hop)
            for byte in OPTIONS[:20]:
                peer.writer.write(bytes([byte]))
                await clock.sleep(1)
            assert await peer.next() == b""
            await peer.close()

    played(main)


def test_a_connection_in_use_is_not_idle() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp", limits=StackLimits(idle_s=60)) as on:
            kept: list[ServerTransaction] = []
            on.uas.answer = lambda request, transaction: kept.append(transaction)
            peer = await Plain.to(on.hop)
            invite = OPTIONS.replace(b"OPTIONS", b"INVITE")
            assert (await peer.ask(invite)).startswith(b"SIP/2.0 100")
            await clock.sleep(200)
            kept[0].respond(new_response(kept[0].request, 603))
            assert (await peer.next()).startswith(b"SIP/2.0 603")
            await peer.close()

    played(main)


def test_connections_are_bounded_per_address() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp", limits=StackLimits(connections_per_address=2)) as on:
            peers = [await Plain.to(on.hop) for _ in range(3)]
            assert await peers[2].next() == b""
            assert (await peers[0].ask(OPTIONS)).startswith(b"SIP/2.0 200")
            await peers[0].close()
            await clock.sleep(0.1)
            fourth = await Plain.to(on.hop)
            assert (await fourth.ask(OPTIONS)).startswith(b"SIP/2.0 200")
            for peer in (*peers[1:], fourth):
                await peer.close()

    played(main)


def test_the_connection_that_is_silent_longest_makes_room() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp", limits=StackLimits(connections=2)) as on:
            peers = [await Plain.to(on.hop) for _ in range(2)]
            await clock.sleep(1)
            assert await peers[0].ask(OPTIONS)
            peers.append(await Plain.to(on.hop))
            assert (await peers[2].ask(OPTIONS)).startswith(b"SIP/2.0 200")
            assert await peers[1].next() == b"", "the one that never spoke has gone"
            for peer in peers:
                await peer.close()

    played(main)


def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp", limits=StackLimits(unsent_bytes=100_000)) as on:
            body = b"x" * 60_000
            on.uas.answer = lambda request, transaction: transaction.respond(
                new_response(request, 200, body=body, content_type="text/plain")
            )
            peer = await Plain.to(on.hop)
            for n in range(300):  # 18 MB of answers: more than the kernel's buffers take
                peer.writer.write(OPTIONS.replace(b"bK1", b"bK-%d" % n))
            await clock.sleep(1)
            got = 0
            while data := await peer.next():
                got += len(data)
            assert got < 300 * len(body) and len(on.uas.requests) < 300
            await peer.close()

    played(main)


def test_connections_are_reused_by_address_and_by_number() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp") as on:
            sources: list[Hop] = []

            def answer(request: Request, transaction: ServerTransaction) -> None:
                sources.append(transaction.source)
                transaction.respond(new_response(request, 200))

            on.uas.answer = on.at_caller.answer = answer
            hops = []
            for n in range(2):
                caller = Caller()
                hops.append(on.caller.send_request(a_request("INFO", call=f"a{n}"), on.hop, caller))
                assert await caller.done == "200"
            assert sources[0] == sources[1] and sources[0].connection
            assert hops[0].hop == hops[1].hop
            back = Caller()  # the caller does not listen on TCP: only its own connection leads to it
            on.answerer.send_request(a_request("NOTIFY", call="b"), sources[0], back)
            assert await back.done == "200"
            assert on.at_caller.requests[0].method == "NOTIFY"

    played(main)


def test_a_response_finds_its_way_when_the_connection_has_gone() -> None:
    """RFC 3261 18.2.2: a new connection to the address of the request, the port of its Via."""

    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp") as on:
            kept: list[ServerTransaction] = []
            on.uas.answer = lambda request, transaction: kept.append(transaction)
            heard: asyncio.Queue[bytes] = asyncio.Queue()

            async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                heard.put_nowait(await reader.read(65_536))
                writer.close()

            server = await asyncio.start_server(hear, LOOPBACK, 0)
            port = server.sockets[0].getsockname()[1]
            peer = await Plain.to(on.hop)
            peer.writer.write(OPTIONS.replace(b"127.0.0.1;", b"127.0.0.1:%d;" % port))
            await clock.sleep(0.1)
            await peer.close()
            await clock.sleep(0.1)
            kept[0].respond(new_response(kept[0].request, 200))
            assert (await heard.get()).startswith(b"SIP/2.0 200")
            server.close()

    played(main)


def test_a_connection_that_goes_fails_its_requests() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:

            async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read(10)
                writer.close()

            server = await asyncio.start_server(hang_up, LOOPBACK, 0)
            hop = Hop("tcp", LOOPBACK, server.sockets[0].getsockname()[1])
            caller = Caller()
            on.caller.send_request(a_request(), hop, caller)
            assert await caller.done == "failed" and clock.now() < 1
            server.close()

    played(main)


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
