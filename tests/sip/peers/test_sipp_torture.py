"""What is wrong on purpose, over real sockets, while calls go on: never 200, no fault, no call suffers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.sip.core.torture import ALL, READ, SILENCE, Torture
from tests.sip.peers.house import RECORDED, House, house, trunk

pytestmark = pytest.mark.peer

MALFORMED = [case for case in ALL if case.expected != READ]


def _send(at: str, case: bytes, transport: int = socket.SOCK_DGRAM) -> list[int]:
    """The statuses that come within a moment. Blocks."""
    host, port = at.split(":")
    with socket.socket(type=transport) as sock:
        sock.settimeout(0.1)
        sock.connect((host, int(port)))
        sock.send(_from_here(case, sock.getsockname()[1]))
        answers: list[int] = []
        try:
            while data := sock.recv(65535):
                answers.append(int(data.split(b" ", 2)[1]))
        except (TimeoutError, ConnectionError):
            pass
        return answers


def _from_here(case: bytes, port: int) -> bytes:
    """With a top Via that asks for the answer here."""
    head, via, rest = case.partition(b"Via: SIP/2.0/UDP 192.0.2.1:5060;")
    return head + f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;".encode() + rest if via else case


def test_torture_messages_while_calls_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        documents = {"resources/trunk": trunk(free_ports(1))}
        async with house(tmp_path, {"100": RECORDED}, documents=documents) as here:
            calls = await here.sipp("calls").start(
                "uac_media", "-d", "2500", at=here.at, number="100", calls=4
            )
            for transport in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                told = await asyncio.gather(
                    *(asyncio.to_thread(_send, here.at, case.data, transport) for case in ALL)
                )
                for case, statuses in zip(ALL, told, strict=True):
                    _as_described(case, statuses, transport)
                assert sum(map(bool, told)) > 20, "the others ask for an answer elsewhere, or get none"
            await _many_headers(here)
            await calls.finished()
            for number in range(1, 5):
                await here.spoken(f"calls-{number}", 0, "caller", least_s=2.0)
            await here.all_over()

    asyncio.run(main())


def _as_described(case: Torture, statuses: list[int], transport: int) -> None:
    if case in MALFORMED:
        assert 200 not in statuses, case.name
    if case.expected == SILENCE:
        assert statuses == [], case.name
    elif case.expected != READ and transport == socket.SOCK_DGRAM:
        assert case.expected in statuses or not statuses, (case.name, statuses)


async def _many_headers(here: House) -> None:
    """A call may have many headers and long ones; with too many it is refused."""
    longs = " | ".join(f"X-Long-{number}: {'y' * 200}" for number in range(32))
    await here.sipp("long").run("uac_media", "-d", "500", at=here.at, number="100", keys={"more": longs})
    many = " | ".join(f"X: {number}" for number in range(300))
    keys = {"more": many, "status": "513"}
    await here.sipp("many").run("uac_refused", at=here.at, number="100", keys=keys)
