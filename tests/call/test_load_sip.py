"""The load's phones: they carry calls through, count failures as such, and lose none to a lost datagram."""

from __future__ import annotations

import asyncio

from benchmarks._load_sip import Leg, Phones


async def _pair() -> tuple[Phones, Phones]:
    callees = await Phones(("127.0.0.1", 9)).open()
    return await Phones(("127.0.0.1", callees.port)).open(), callees


async def _carry(callers: Phones, count: int) -> list[Leg]:
    legs = [callers.place(number, "7") for number in range(count)]
    for leg in legs:
        await asyncio.wait_for(leg.up.wait(), 5)
    for leg in legs:
        callers.hang_up(leg)
    for leg in legs:
        await asyncio.wait_for(leg.over.wait(), 5)
    return legs


def test_calls_are_carried_through_at_both_ends() -> None:
    async def scene() -> None:
        callers, callees = await _pair()
        over: list[Leg] = []
        callees.on_over = over.append
        legs = await _carry(callers, 20)
        assert all(leg.answered and leg.ended and not leg.failed for leg in legs)
        assert sorted(leg.number for leg in over) == list(range(20))
        await callers.close()
        await callees.close()

    asyncio.run(scene())


def test_a_lost_datagram_is_sent_again() -> None:
    async def scene() -> None:
        callers, callees = await _pair()
        take = callees.datagram_received
        lost: list[bytes] = []

        def lossy(data: bytes, address: tuple[str, int]) -> None:
            if len(lost) < 1:
                lost.append(data)
            else:
                take(data, address)

        callees.datagram_received = lossy  # type: ignore[method-assign]
        [leg] = await _carry(callers, 1)
        assert lost and not leg.failed and leg.answered - leg.asked >= 0.4
        await callers.close()
        await callees.close()

    asyncio.run(scene())


def test_a_refused_call_has_failed() -> None:
    async def scene() -> None:
        callers, callees = await _pair()

        def refuse(data: bytes, address: tuple[str, int]) -> None:
            if data.startswith(b"INVITE"):
                kept = [
                    line
                    for line in data.decode().split("\r\n")
                    if line[:4] in ("Via:", "From", "Call", "CSeq")
                ]
                answer = ["SIP/2.0 486 Busy Here", *kept, "To: <sip:x@y>;tag=1", "Content-Length: 0", "", ""]
                callees._transport.sendto("\r\n".join(answer).encode(), address)

        callees.datagram_received = refuse  # type: ignore[method-assign]
        leg = callers.place(1, "7")
        await asyncio.wait_for(leg.over.wait(), 5)
        assert leg.failed == "486 Busy Here" and not leg.answered
        await callers.close()
        await callees.close()

    asyncio.run(scene())
