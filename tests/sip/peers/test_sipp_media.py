"""Calls of sipp with sound through a whole server: recorded, bridged, delivered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.serve.server import wait_until
from tests.sip.peers import moments
from tests.sip.peers.house import (
    RECORDED,
    House,
    answer,
    assert_silent,
    heard,
    house,
    levels,
    node,
    record,
    trunk,
)
from tests.sip.peers.sipp import HERTZ, LOUD, Sipp
from tests.sip.peers.speech import Speech

pytestmark = pytest.mark.peer

CARRIER = record(node("resources", to_did="5550123"))
BRIDGED = record(node("resources", to_did="5550123"), record_on_bridge=True)
ONE_SECOND = answer(record(node("sleep", {"_": node("hangup")}, duration=1200, unit="ms")))


def test_calls_are_recorded_and_bridged(tmp_path: Path) -> None:
    """UDP, TCP, and over a trunk to a phone that rings and answers."""
    gateway = free_ports(1)

    async def main() -> None:
        documents = {"resources/trunk": trunk(gateway)}
        async with house(tmp_path, {"100": RECORDED, "200": BRIDGED}, documents=documents) as here:
            called = await here.sipp("called", port=gateway).start("uas_media", calls=3)
            udp, tcp, ringing = (here.sipp(name) for name in ("udp", "tcp", "ringing"))
            await asyncio.gather(
                udp.run("uac_media", "-d", "1200", "-r", "20", at=here.at, number="100", calls=4),
                tcp.run("uac_media", "-d", "1200", "-t", "t1", at=here.at, number="100", calls=4),
                ringing.run("uac_media", "-d", "1500", at=here.at, number="200", calls=3),
                called.finished(),
            )
            for name in ("udp-1", "udp-4", "tcp-1", "tcp-4"):
                file = await here.spoken(name, 0, "caller", least_s=0.8)
                assert_silent(file, 1)
            for number in (1, 2, 3):
                await here.spoken(f"ringing-{number}", 0, "caller", least_s=1.1)
                await here.spoken(f"ringing-{number}", 1, "callee", least_s=1.1)

    asyncio.run(main())


def test_sound_before_the_answer_and_sound_from_elsewhere(tmp_path: Path) -> None:
    """Early media both ways with PRACK both ways, a late offer, hold, another port, a NAT: recorded whole."""
    gateway = free_ports(1)
    flows = {"100": RECORDED, "200": CARRIER, "300": ONE_SECOND}

    async def main() -> None:
        documents = {"resources/trunk": trunk(gateway, username="acme", password="secret", realm="gw")}
        async with house(tmp_path, flows, documents=documents) as here:
            called = await here.sipp("called", port=gateway).start("uas_early")
            runs = [here.sipp(name) for name in ("early", "late", "hold", "hidden", "moves")]
            early, late, hold, hidden, moves = runs
            await asyncio.gather(
                early.run("uac_early", "-d", "1000", at=here.at, number="200"),
                late.run("uac_late", "-d", "1000", at=here.at, number="100"),
                hold.run("uac_hold", at=here.at, number="100"),
                hidden.run("uac_hidden", at=here.at, number="300"),
                moves.run("uac_moves", at=here.at, number="100"),
                _speak(moves),
                called.finished(),
            )
            await _check(here)

    asyncio.run(main())


async def _check(here: House) -> None:
    await here.spoken("early-1", 0, "caller", least_s=1.5)
    await here.spoken("early-1", 1, "callee", least_s=1.5)
    await here.spoken("late-1", 0, "caller", least_s=0.6)
    await here.spoken("hidden-1", 0, "caller", least_s=0.8)
    await here.spoken("moves-1", 0, "caller", least_s=1.6, holes_s=0.2)
    file = await here.delivered("hold-1")
    await here.assert_whole("hold-1", file, 2.4)
    held, _ = heard(file, 0)
    loud = levels(held, HERTZ["caller"]) > LOUD / 2
    pauses = "".join("x" if one else "." for one in loud).strip(".").split("x")
    (pause,) = [part for part in pauses if part]
    was = moments.held(here.server.lines, "hold-1")
    assert was >= 0.8 and -0.1 < len(pause) / 50 - was < 0.3, "held as long as it was"


async def _speak(moves: Sipp) -> None:
    """What that caller says: first here, then there."""
    told = moves.folder / "port"
    await wait_until(lambda: told.is_file() and told.read_text().endswith("\n"))
    speech = Speech("127.0.0.1", int(told.read_text()))
    moved, over = asyncio.Event(), asyncio.Event()

    async def watch() -> None:
        await wait_until((moves.folder / "moved").exists)
        moved.set()
        await moves.finished()
        over.set()

    watching = asyncio.ensure_future(watch())
    await speech.speak(moves.media + 30, moved)
    await speech.speak(moves.media + 34, over)
    await watching
