"""What goes on within calls of sipp to a whole server: repeats, timers, odd requests, transfers, Replaces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.server import wait_until
from tests.sip.peers import moments
from tests.sip.peers.house import (
    RECORDED,
    House,
    Shared,
    answer,
    assert_spoken,
    heard,
    node,
    record,
    shared,
)
from tests.sip.peers.sipp import Sipp
from tests.sip.peers.test_sipp_out import Gateways, via

pytestmark = pytest.mark.peer


FLOWS = {
    "100": RECORDED,
    "110": answer(record(node("sleep", {"_": node("hangup")}, duration=900, unit="ms"))),
    "241": via("541"),
    "242": via("542"),
    "243": via("543"),
    "244": via("544"),
}


@pytest.fixture(scope="module")
def out() -> Gateways:
    gateways = Gateways()
    for number in ("541", "542", "543", "544"):
        gateways.port(number)
    return gateways


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, out: Gateways) -> Iterator[Shared]:
    with shared(tmp_path_factory.mktemp("dialogs"), FLOWS, out.documents) as found:
        yield found


def test_repeats_timers_and_odd_requests(place: Shared) -> None:
    async def play(here: House) -> None:
        await asyncio.gather(
            here.sipp("repeats").run("uac_repeats", at=here.at, number="100"),
            here.sipp("timer").run("uac_timer", at=here.at, number="100"),
            here.sipp("timer-tcp").run("uac_timer", "-t", "t1", at=here.at, number="100"),
            here.sipp("odd").run("uac_odd", at=here.at, number="100"),
        )
        for name in ("repeats", "timer", "timer-tcp", "odd"):
            await here.spoken(f"{name}-1", 0, "caller", least_s=0.5)

    place.run(play, recordings=4, calls=4)


async def _dialog(one: Sipp) -> tuple[str, str, str]:
    """Call-ID, the server's tag, its own."""
    file = one.folder / "dialog"
    await wait_until(lambda: file.is_file() and file.read_text().endswith("\n"))
    call_id, theirs, ours = file.read_text().split()
    return call_id, theirs, ours


def test_a_phone_takes_over_a_call_with_replaces(place: Shared) -> None:
    """One recording, of both phones, one after the other; and no stranger takes one over."""

    async def play(here: House) -> None:
        taken = await here.sipp("taken").start("uac_keeps", at=here.at, number="100")
        call_id, theirs, ours = await _dialog(taken)
        await asyncio.sleep(0.8)
        wrong = {"status": "481", "more": f"Replaces: {call_id};to-tag={ours};from-tag={theirs}"}
        await here.sipp("wrong").run("uac_refused", at=here.at, number="100", keys=wrong)
        right = {"more": f"Replaces: {call_id};to-tag={theirs};from-tag={ours}"}
        await here.sipp("taker").run("uac_media", "-d", "1000", at=here.at, number="100", keys=right)
        await taken.finished()
        await here.spoken("taken-1", 0, "caller", least_s=1.5, holes_s=0.4)

    place.run(play, recordings=1)


def test_transfers(place: Shared, out: Gateways) -> None:
    """REFER by the caller and by the called one, blind; by the caller, attended."""
    blind, refers, first, second = (out.ports[number][0] for number in ("541", "542", "543", "544"))

    async def play(here: House) -> None:
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

    place.run(play, recordings=6)


async def _attended(here: House) -> None:
    consult = await here.sipp("consult").start("uac_keeps", at=here.at, number="244")
    call_id, theirs, ours = await _dialog(consult)
    replaces = f"{call_id}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}"
    keys = {"target": f"<sip:244@acme.example.com?Replaces={replaces}>"}
    await here.sipp("attended").run("uac_transfers", "-d", "800", at=here.at, number="243", keys=keys)
    await consult.finished()


async def _check_transfers(here: House) -> None:
    """Recordings follow; the flow to which somebody is transferred makes its own."""
    for name, channel, who, least_s in [
        ("blind-1", 1, "callee", 1.2),
        ("blind-1-2", 0, "callee", 0.6),
        ("referred-1", 0, "caller", 1.2),
        ("referred-1-2", 0, "caller", 0.6),
        ("attended-1", 1, "callee", 1.5),
        ("consult-1", 1, "callee", 1.6),
    ]:
        await here.spoken(name, channel, who, least_s=least_s, holes_s=0.1)
    await _until_moved(here, "blind-1", "caller")
    # The first caller is let go: the two who were called talk to each other.
    await _until_moved(here, "attended-1", "caller", "callee")
    await _until_moved(here, "consult-1", "caller", "callee")
    # Until the next flow, which begins to record what follows.
    (before, id), (_, following) = [await _begun(here, name) for name in ("referred-1", "referred-1-2")]
    left_s = heard(before, 1)[1] - moments.followed(here.server.lines, id, following)
    await here.spoken("referred-1", 1, "callee", least_s=0.3, early_s=left_s + 0.3, holes_s=0.1)


async def _begun(here: House, name: str) -> tuple[Path, str]:
    file = await here.delivered(name)
    return file, await here.recording(file)


async def _until_moved(here: House, name: str, who: str, then: str = "") -> None:
    """``who`` is heard until he is let go, and from then on (``then``) whom he has brought there."""
    file, id = await _begun(here, name)
    moved_s = moments.moved(here.server.lines, id)
    left_s = heard(file, 0)[1] - moved_s
    await here.spoken(name, 0, who, least_s=0.3, early_s=left_s + 0.04, holes_s=0.1)
    if then:
        assert left_s > 0.8
        assert_spoken(file, 0, then, least_s=0, begin_s=moved_s, holes_s=0.1)
