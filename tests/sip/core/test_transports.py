"""Streams on loopback: framed, kept alive, reused, bounded and closed."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.message import Request, new_response
from callflow.channels.sip.stack import ServerTransaction
from callflow.channels.sip.transport import Hop
from callflow.clock import VirtualClock
from tests.sip.core.network import LOOPBACK, Plain, Stage, played, stage
from tests.sip.core.torture import request
from tests.sip.core.uas import Caller, a_request

OPTIONS = request("OPTIONS sip:b@h SIP/2.0", via=f"Via: SIP/2.0/TCP {LOOPBACK};branch=z9hG4bK1")


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
            stale = Caller()  # the number of somebody else's connection: the address decides
            on.answerer.send_request(
                a_request("INFO", call="s"), Hop("tcp", LOOPBACK, on.hop.port, sources[0].connection), stale
            )
            assert await stale.done == "200" and on.at_caller.requests == []
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


def test_a_flood_of_keep_alives_is_not_answered_with_another() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp") as on:
            peer = await Plain.to(on.hop)
            peer.writer.write(b"\r\n" * 20_000)
            await clock.sleep(1.0)
            assert len(await peer.next()) < 200
            assert await peer.ask(b"\r\n\r\n") == b"\r\n", "the next one is answered again"
            await peer.close()

    played(main)


def _who_sends_info_is_known(on: Stage, request: Request, transaction: ServerTransaction) -> None:
    if request.method == "INFO":
        on.answerer.trust(transaction.source)
    transaction.respond(new_response(request, 200))


def test_a_connection_of_somebody_known_may_be_silent_longer_than_a_strangers() -> None:
    async def main(clock: VirtualClock) -> None:
        limits = StackLimits(stranger_idle_s=60, idle_s=600)
        async with stage(clock, transport="tcp", limits=limits) as on:
            known, stranger = await Plain.to(on.hop), await Plain.to(on.hop)
            on.uas.answer = partial(_who_sends_info_is_known, on)
            info = OPTIONS.replace(b"OPTIONS", b"INFO")
            assert await known.ask(info) and await stranger.ask(OPTIONS.replace(b"bK1", b"bK2"))
            assert await stranger.next() == b""
            assert 60 <= clock.now() <= 100
            await clock.sleep(300)
            assert (await known.ask(info.replace(b"bK1", b"bK3"))).startswith(b"SIP/2.0 200")
            await known.close()
            await stranger.close()

    played(main)


def test_a_strangers_connection_goes_first() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport="tcp", limits=StackLimits(connections=2)) as on:
            on.uas.answer = partial(_who_sends_info_is_known, on)
            known, stranger = await Plain.to(on.hop), await Plain.to(on.hop)
            await known.ask(OPTIONS.replace(b"OPTIONS", b"INFO"))
            await clock.sleep(1)
            await stranger.ask(OPTIONS.replace(b"bK1", b"bK2"))
            await clock.sleep(50)
            late = await Plain.to(on.hop)
            assert await late.ask(OPTIONS.replace(b"bK1", b"bK3"))
            assert await stranger.next() == b"", "though it spoke last"
            assert (await known.ask(OPTIONS.replace(b"bK1", b"bK4"))).startswith(b"SIP/2.0 200")
            for peer in (known, stranger, late):
                await peer.close()

    played(main)
