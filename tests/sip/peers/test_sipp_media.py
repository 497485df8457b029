"""Calls of sipp with sound through a whole server: recorded, bridged, delivered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.sip.peers.house import RECORDED, WAIT, answer, assert_silent, assert_spoken, house, node, record, trunk
from tests.sip.peers.sipp import free_ports

pytestmark = pytest.mark.peer


def test_calls_are_recorded_and_bridged(tmp_path: Path) -> None:
    gateway = free_ports(1)
    bridged = record(node("resources", to_did="5550123"), record_on_bridge=True)
    flows = {"100": RECORDED, "200": bridged}

    async def main() -> None:
        async with house(tmp_path, flows, documents={"resources/trunk": trunk(gateway)}) as here:
            called = here.sipp("called")
            called.port = gateway
            await called.start("uas_media", calls=3)
            udp, tcp, ringing = (here.sipp(name) for name in ("udp", "tcp", "ringing"))
            await asyncio.gather(
                udp.run("uac_media", "-d", "1200", "-r", "20", at=here.at, number="100", calls=4),
                tcp.run("uac_media", "-d", "1200", "-t", "t1", at=here.at, number="100", calls=4),
                ringing.run("uac_media", "-d", "1500", at=here.at, number="200", calls=3),
                called.finished(),
            )
            for name in ("udp-1", "udp-4", "tcp-1", "tcp-4"):
                file = await here.delivered(name)
                assert_spoken(file, 0, "caller", least_s=1.0)
                assert_silent(file, 1)
            for number in (1, 2, 3):
                file = await here.delivered(f"ringing-{number}")
                assert_spoken(file, 0, "caller", least_s=1.2)
                assert_spoken(file, 1, "callee", least_s=1.2)

    asyncio.run(main())
