"""Who has proved who he is keeps his connection."""

from __future__ import annotations

import asyncio

from callflow.clock import VirtualClock
from tests.sip.session.ground import sdp, side, virtual


def _request(method: str, branch: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} sip:200@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{branch}\r\n"
        f"From: <sip:100@x>;tag=1\r\nTo: <sip:200@x>\r\nCall-ID: {branch}\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:100@127.0.0.1:9;transport=tcp>\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def test_a_caller_who_was_let_in_is_no_stranger() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock, transport="tcp") as bob:
            _, writer = await asyncio.open_connection("127.0.0.1", bob.hop.port)
            (known,) = bob.stack._transports._connections.values()
            writer.write(_request("OPTIONS", "a"))
            await clock.sleep(0.1)
            assert (known.greeted, known.trusted) == (True, False), "everybody is told what we can do"
            writer.write(_request("INVITE", "b", sdp()))
            await bob.next_call()
            assert known.trusted
            writer.close()

    virtual(main)
