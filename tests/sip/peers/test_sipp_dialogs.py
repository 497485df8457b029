"""What goes on within calls of sipp to a whole server: repeats, timers, odd requests, transfers, Replaces."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.serve.server import wait_until
from tests.sip.peers.house import RECORDED, House, answer, assert_spoken, house, node, record
from tests.sip.peers.sipp import Sipp
from tests.sip.peers.test_sipp_out import Gateways, via

pytestmark = pytest.mark.peer


def test_repeats_timers_and_odd_requests(tmp_path: Path) -> None:
    async def main() -> None:
        documents = Gateways()
        documents.port("500")
        async with house(tmp_path, {"100": RECORDED}, documents=documents.documents) as here:
            await asyncio.gather(
                here.sipp("repeats").run("uac_repeats", at=here.at, number="100"),
                here.sipp("timer").run("uac_timer", at=here.at, number="100"),
                here.sipp("timer-tcp").run("uac_timer", "-t", "t1", at=here.at, number="100"),
                here.sipp("odd").run("uac_odd", at=here.at, number="100"),
            )
            for name in ("repeats", "timer", "timer-tcp", "odd"):
                assert_spoken(await here.delivered(f"{name}-1"), 0, "caller", least_s=0.5)
            assert len(here.server.having(" call.begin ")) == 4

    asyncio.run(main())


async def _dialog(one: Sipp) -> tuple[str, str, str]:
    """Call-ID, the server's tag, its own."""
    file = one.folder / "dialog"
    await wait_until(lambda: file.is_file() and file.read_text().endswith("\n"))
    call_id, theirs, ours = file.read_text().split()
    return call_id, theirs, ours


def test_a_phone_takes_over_a_call_with_replaces(tmp_path: Path) -> None:
    """One recording, of both phones, one after the other; and no stranger takes one over."""

    async def main() -> None:
        out = Gateways()
        out.port("500")
        async with house(tmp_path, {"100": RECORDED}, documents=out.documents) as here:
            taken = await here.sipp("taken").start("uac_keeps", at=here.at, number="100")
            call_id, theirs, ours = await _dialog(taken)
            await asyncio.sleep(0.8)
            wrong = {"status": "481", "more": f"Replaces: {call_id};to-tag={ours};from-tag={theirs}"}
            await here.sipp("wrong").run("uac_refused", at=here.at, number="100", keys=wrong)
            right = {"more": f"Replaces: {call_id};to-tag={theirs};from-tag={ours}"}
            await here.sipp("taker").run("uac_media", "-d", "1000", at=here.at, number="100", keys=right)
            await taken.finished()
            assert_spoken(await here.delivered("taken-1"), 0, "caller", least_s=1.5, holes_s=0.4)
            await here.all_over()
            assert len(here.receiver.received) == 1

    asyncio.run(main())


def test_transfers(tmp_path: Path) -> None:
    """REFER by the caller and by the called one, blind; by the caller, attended."""
    out = Gateways()
    blind, refers, first, second = (out.port(number)[0] for number in ("541", "542", "543", "544"))
    flows = {
        "110": answer(record(node("sleep", {"_": node("hangup")}, duration=900, unit="ms"))),
        "241": via("541"),
        "242": via("542"),
        "243": via("543"),
        "244": via("544"),
    }

    async def main() -> None:
        async with house(tmp_path, flows, documents=out.documents) as here:
            to_flow = {"target": "<sip:110@acme.example.com>"}
            phones = await asyncio.gather(
                here.sipp("blind-called", port=blind).start("uas_media"),
                here.sipp("refers", port=refers).start("uas_refers", keys=to_flow),
                here.sipp("first-called", port=first).start("uas_media"),
                here.sipp("second-called", port=second).start("uas_ends", "-d", "2500"),
            )
            callers = [here.sipp("blind"), here.sipp("referred")]
            await asyncio.gather(
                callers[0].run("uac_transfers", "-d", "800", at=here.at, number="241", keys=to_flow),
                callers[1].run("uac_keeps", at=here.at, number="242"),
                _attended(here),
                *(phone.finished() for phone in phones),
            )
            await _check_transfers(here)

    asyncio.run(main())


async def _attended(here: House) -> None:
    consult = await here.sipp("consult").start("uac_keeps", at=here.at, number="244")
    call_id, theirs, ours = await _dialog(consult)
    replaces = f"{call_id}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}"
    keys = {"target": f"<sip:244@acme.example.com?Replaces={replaces}>"}
    await here.sipp("attended").run("uac_transfers", "-d", "800", at=here.at, number="243", keys=keys)
    await consult.finished()


async def _check_transfers(here: House) -> None:
    """Recordings follow; the flow to which somebody is transferred makes its own."""
    spoken = [
        # file, channel, who, at least, first heard by, last heard before the end
        ("blind-1", 0, "caller", 0.3, 0.5, 1.3),
        ("blind-1", 1, "callee", 1.2, 0.4, 0.2),
        ("blind-1-2", 0, "callee", 0.6, 0.2, 0.2),
        ("referred-1", 0, "caller", 1.2, 0.4, 0.2),
        ("referred-1", 1, "callee", 0.3, 0.5, 1.3),
        ("referred-1-2", 0, "caller", 0.6, 0.2, 0.2),
        # The first caller is let go: the two who were called talk to each other.
        ("attended-1", 0, "caller", 0.3, 0.5, 2.4),
        ("attended-1", 0, "callee", 0.6, 1.6, 0.2),
        ("attended-1", 1, "callee", 1.5, 0.4, 0.2),
        ("consult-1", 0, "caller", 0.3, 0.5, 2.6),
        ("consult-1", 0, "callee", 0.6, 1.9, 0.2),
        ("consult-1", 1, "callee", 1.6, 0.4, 0.2),
    ]
    for name, channel, who, least_s, late_s, early_s in spoken:
        file = await here.delivered(name)
        assert_spoken(file, channel, who, least_s=least_s, late_s=late_s, early_s=early_s, holes_s=0.1)
    await here.all_over()
    assert len(here.receiver.received) == 6
