"""Two stacks talk over loopback in virtual time: matching, CANCEL, merged requests, refusals, bad weather."""

from __future__ import annotations

import asyncio

import pytest

from callflow.channels.sip.message import Request, new_request, new_response, read_message
from callflow.channels.sip.stack import ServerTransaction
from callflow.channels.sip.transaction_ids import server_key
from callflow.channels.sip.transport import Hop
from callflow.clock import VirtualClock
from tests.sip.core.network import LOOPBACK, Stage, Weather, played, stage
from tests.sip.core.uas import Caller, a_request


def _ack(request: Request, caller: Caller) -> Request:
    """For the last 2xx."""
    ok = caller.responses[-1]
    return new_request("ACK", request.uri, from_=ok.from_, to=ok.to, call_id=ok.call_id, cseq=ok.cseq.number)


async def _call(on: Stage, call: str = "call-1") -> Caller:
    caller, invite = Caller(), a_request(call=call)
    on.caller.send_request(invite, on.hop, caller)
    if await caller.done == "200":
        on.caller.send_ack(_ack(invite, caller), on.hop)
    return caller


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_is_set_up_and_nothing_is_left(transport: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport=transport) as on:
            caller = await _call(on)
            assert caller.statuses == [180, 200]
            bye = Caller()
            on.caller.send_request(a_request("BYE", cseq=2), on.hop, bye)
            assert await bye.done == "200"
            [invite, _] = on.uas.requests
            assert invite.via.params["rport"] == str(on.uas.acks[0].via.params["rport"])
            assert invite.via.params["received"] == LOOPBACK
            assert invite.via.transport == transport.upper()
            await clock.sleep(40)
            assert on.caller.transactions == on.answerer.transactions == 0

    played(main)


def test_a_lost_ack_makes_the_2xx_come_again_and_be_acknowledged_again() -> None:
    async def main(clock: VirtualClock) -> None:
        acks_lost = Weather(drop=lambda side, number, data: data.startswith(b"ACK") and clock.now() < 1)
        async with stage(clock, weather=acks_lost) as on:
            caller, invite = Caller(), a_request()
            on.caller.send_request(invite, on.hop, caller)
            await caller.done
            ack = _ack(invite, caller)
            on.caller.send_ack(ack, on.hop)
            while not on.uas.acks:
                await clock.sleep(0.5)
                if caller.statuses.count(200) > 1:
                    on.caller.send_ack(ack, on.hop)
            assert caller.statuses[:3] == [180, 200, 200]
            assert len({data for side, data in on.relay.seen if data.startswith(b"ACK")}) == 1  # type: ignore[union-attr]

    played(main)


def test_a_lost_response_comes_again_for_the_repeated_request() -> None:
    async def main(clock: VirtualClock) -> None:
        weather = Weather(drop=lambda side, number, data: side == "answerer" and number < 2)
        async with stage(clock, weather=weather) as on:
            caller = Caller()
            on.caller.send_request(a_request("OPTIONS"), on.hop, caller)
            assert await caller.done == "200"
            assert clock.now() == pytest.approx(1.5, abs=0.01)
            assert len(on.uas.requests) == 1

    played(main)


def test_a_refusal_whose_ack_is_lost_is_repeated_and_at_last_told() -> None:
    async def main(clock: VirtualClock) -> None:
        weather = Weather(drop=lambda side, number, data: data.startswith(b"ACK"))
        async with stage(clock, weather=weather) as on:
            on.uas.answer = lambda request, transaction: transaction.respond(new_response(request, 486))
            caller = await _call(on)
            await clock.sleep(40)
            assert caller.statuses == [486] and len(on.uas.no_acks) == 1 and on.uas.acks == []
            acks = [data for _, data in on.relay.seen if data.startswith(b"ACK")]  # type: ignore[union-attr]
            assert len(acks) == 11
            ack, invite = read_message(acks[0]), on.uas.requests[0]
            assert isinstance(ack, Request) and ack.via.branch == invite.via.branch
            assert ack.cseq == (1, "ACK") and ack.uri == invite.uri

    played(main)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("when", ["before 1xx", "after 1xx", "after the answer"])
def test_cancel(transport: str, when: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock, transport=transport) as on:
            on.uas.answer = lambda request, transaction: None
            caller = Caller()
            sent = on.caller.send_request(a_request(), on.hop, caller)
            if when == "after 1xx":
                await clock.sleep(1)
                assert caller.statuses == [100]
            if when == "after the answer":
                on.uas.answer = lambda request, transaction: transaction.respond(new_response(request, 200))
                assert await caller.done == "200"
            sent.cancel((("Reason", "SIP;cause=200"),))
            sent.cancel()
            if when == "after the answer":
                await clock.sleep(1)
                assert on.uas.cancelled == [] and caller.statuses == [200]
                return
            assert await caller.done == "487"
            assert caller.statuses == [100, 487]
            assert clock.now() == pytest.approx(1.0 if when == "after 1xx" else 0.2, abs=0.05)
            assert len(on.uas.cancelled) == 1
            await clock.sleep(40)
            assert on.caller.transactions == on.answerer.transactions == 0

    played(main)


def test_a_cancel_of_nothing_is_481_and_of_an_answered_invite_does_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        got: list[bytes] = []
        async with stage(clock) as on:
            invite = await _raw(on, got, a_request())
            assert got[-1].startswith(b"SIP/2.0 200")
            for branch, status in ((invite.via.branch, b"200"), ("z9hG4bK-other", b"481")):
                made = Request("CANCEL", invite.uri, invite.headers.copy())
                made.headers.set("CSeq", "1 CANCEL")
                made.headers.set("Via", f"SIP/2.0/UDP {LOOPBACK};rport;branch={branch}")
                await _raw(on, got, made)
                assert got[-1].startswith(b"SIP/2.0 " + status)
            assert on.uas.cancelled == []

    played(main)


async def _raw(on: Stage, got: list[bytes], request: Request, twice: bool = False) -> Request:
    """Send a request as it is from a plain socket; ``got``: what comes back."""

    class _Plain(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            got.append(data)

    if not request.get("Via"):
        request.headers.insert("Via", f"SIP/2.0/UDP {LOOPBACK};rport;branch=z9hG4bK-plain-{request.call_id}")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Plain, local_addr=(LOOPBACK, 0))
    transport.sendto(request.to_bytes(), (on.hop.host, on.hop.port))
    await on.clock.sleep(0.05)
    transport.close()
    return request


def test_what_the_stack_refuses_by_itself() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:

            async def status(request: Request) -> tuple[str, Caller]:
                caller = Caller()
                on.caller.send_request(request, on.hop, caller)
                return await caller.done, caller

            strange = a_request("OPTIONS", call="strange")
            strange.headers.add("Require", "100rel, teleport, Abracadabra")
            how, caller = await status(strange)
            assert how == "420" and caller.responses[0].get("Unsupported") == "abracadabra, teleport"
            wished = a_request("OPTIONS", call="wished")
            wished.headers.add("Require", "gruu, timer, outbound, tdialog")
            how, caller = await status(wished)
            assert how == "420" and caller.responses[0].get("Unsupported") == "gruu, outbound, tdialog"
            looping = a_request(call="loop")
            looping.headers.set("Max-Forwards", "0")
            assert (await status(looping))[0] == "483"
            end_point = a_request("OPTIONS", call="end")
            end_point.headers.set("Max-Forwards", "0")
            assert (await status(end_point))[0] == "200"
            assert [request.call_id for request in on.uas.requests] == ["end"]
            assert all(response.to.tag for response in caller.responses)

    played(main)


def test_a_request_that_comes_by_two_ways_is_merged() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:
            kept: list[ServerTransaction] = []
            on.uas.answer = lambda request, transaction: kept.append(transaction)
            one, other = Caller(), Caller()
            on.caller.send_request(a_request(), on.hop, one)
            on.caller.send_request(a_request(), on.hop, other)
            assert await other.done == "482"
            kept[0].respond(new_response(kept[0].request, 404))
            assert await one.done == "404" and len(kept) == 1
            again = Caller()  # the first is answered for good: a phone that tries again is a new request
            on.caller.send_request(a_request(), on.hop, again)
            await clock.sleep(0.1)
            assert len(kept) == 2

    played(main)


def test_a_copy_of_a_call_that_was_answered_meanwhile_is_merged_too() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:
            kept: list[ServerTransaction] = []

            def answer(request: Request, transaction: ServerTransaction) -> None:
                kept.append(transaction)
                transaction.respond(new_response(request, 200))

            on.uas.answer = answer
            one, late = Caller(), Caller()
            on.caller.send_request(a_request(), on.hop, one)
            assert await one.done == "200"
            on.caller.send_request(a_request(), on.hop, late)
            assert await late.done == "482" and len(kept) == 1

    played(main)


def test_rfc_2543_requests_are_matched_without_branches() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:
            got: list[bytes] = []
            old = a_request()
            old.headers.insert("Via", f"SIP/2.0/UDP {LOOPBACK};rport")
            invite = await _raw(on, got, old)
            await _raw(on, got, invite)
            assert len(on.uas.requests) == 1
            ack = Request("ACK", invite.uri, invite.headers.copy())
            ack.headers.set("CSeq", "1 ACK")
            ack.headers.set("To", f"{invite.get('To')};tag=uas")
            await _raw(on, got, ack)
            assert len(on.uas.acks) == 1

    played(main)


def test_nobody_there_is_a_timeout_and_no_way_a_failure() -> None:
    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:
            silent, nowhere, refused = Caller(), Caller(), Caller()
            on.caller.send_request(a_request("OPTIONS"), Hop("udp", LOOPBACK, 9), silent)
            on.caller.send_request(a_request("OPTIONS"), Hop("udp", "::1", 9), nowhere)
            on.caller.send_request(a_request("OPTIONS"), Hop("tcp", LOOPBACK, 9), refused)
            assert nowhere.failures == [], "never from within send_request"
            assert (await nowhere.done, await refused.done) == ("failed", "failed")
            assert "127.0.0.1:9" in refused.failures[0].message
            assert await silent.done == "timeout" and clock.now() == pytest.approx(32, abs=0.1)
            assert on.caller.transactions == 0

    played(main)


@pytest.mark.parametrize("rport", [True, False])
def test_a_response_goes_to_the_source_with_rport_and_to_the_port_of_the_via_without(rport: bool) -> None:
    """RFC 3261 18.2.2, RFC 3581: never to another address than the request came from."""

    async def main(clock: VirtualClock) -> None:
        async with stage(clock) as on:
            got: dict[str, list[bytes]] = {"source": [], "via": []}
            ports = {name: await _listener(into) for name, into in got.items()}
            options = a_request("OPTIONS")
            port = ports["via"].get_extra_info("sockname")[1]
            asked = ";rport" if rport else ""
            options.headers.insert("Via", f"SIP/2.0/UDP 192.0.2.7:{port}{asked};branch=z9hG4bK1")
            ports["source"].sendto(options.to_bytes(), (on.hop.host, on.hop.port))
            await clock.sleep(0.05)
            assert (len(got["source"]), len(got["via"])) == ((1, 0) if rport else (0, 1))
            answer = read_message((got["source"] + got["via"])[0])
            source = str(ports["source"].get_extra_info("sockname")[1])
            assert answer.via.params.get("rport") == (source if rport else None)
            assert answer.via.params["received"] == LOOPBACK
            for transport in ports.values():
                transport.close()

    played(main)


async def _listener(into: list[bytes]) -> asyncio.DatagramTransport:
    class _Plain(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            into.append(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Plain, local_addr=(LOOPBACK, 0))
    return transport


def test_a_transaction_is_known_by_branch_sent_by_method_and_source() -> None:
    def key(via: str, method: str = "INVITE", host: str = "10.0.0.1") -> tuple[str, ...]:
        request = a_request(method)
        request.headers.insert("Via", f"SIP/2.0/UDP {via}")
        return server_key(request, host)

    known = key("pbx:5060;branch=z9hG4bK1")
    assert known == key("PBX:5060;rport;branch=z9hG4bK1") == key("pbx:5060;branch=z9hG4bK1", "ACK")
    for other in (
        key("pbx:5060;branch=z9hG4bK2"),
        key("pbx:5062;branch=z9hG4bK1"),
        key("pbx:5060;branch=z9hG4bK1", "BYE"),
        key("pbx:5060;branch=z9hG4bK1", host="10.0.0.2"),
        key("pbx:5060;branch=1"),
    ):
        assert other != known
    assert key("pbx") != key("pbx;x=1"), "RFC 2543: the whole Via counts"


def test_the_ack_of_a_refusal_has_its_to_tag() -> None:
    async def main(clock: VirtualClock) -> None:
        weather = Weather()
        async with stage(clock, weather=weather) as on:
            on.uas.answer = lambda request, transaction: transaction.respond(
                new_response(request, 486, to_tag="refused")
            )
            await _call(on)
            await clock.sleep(0.1)
            assert on.relay is not None
            [ack] = [read_message(data) for _, data in on.relay.seen if data.startswith(b"ACK")]
            assert ack.to.tag == "refused" and ack.max_forwards == 70

    played(main)
