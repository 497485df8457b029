"""A whole server calls sipp: gateways that fail, forward, fork and refuse; phones that ring together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ports import free_ports
from tests.sip.peers.house import (
    PASSWORD,
    House,
    Shared,
    answer,
    node,
    record,
    shared,
    trunk,
)
from tests.sip.peers.sipp import Sipp

pytestmark = pytest.mark.peer

PHONES = "127.0.0.3"
TALK = ("uac_media", "-d", "1000")


def via(number: str, **children: Any) -> dict[str, Any]:
    """Record what is bridged, and call by the carrier that takes this number."""
    out = node("resources", children, to_did=number)
    return record(out, record_on_bridge=True) if not children else out


class Gateways:
    """Carriers of an account, each for one number."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.ports: dict[str, list[int]] = {}

    def port(self, number: str, count: int = 1, **more: Any) -> list[int]:
        """Ports of new gateways that take ``number``, tried one after the other."""
        self.ports[number] = ports = [free_ports(1) for _ in range(count)]
        self.documents[f"resources/to{number}"] = trunk(*ports, rules=[f"^{number}$"], **more)
        return ports


NAMES = ("one", "two", "three", "four", "five")
TOGETHER = [{"id": name, "endpoint_type": "device"} for name in NAMES[:3]]
IN_TURN = [{"id": name, "endpoint_type": "device", "timeout": 1} for name in NAMES[3:]]
FLOWS = {
    "201": via("501"),
    "202": via("502"),
    "203": via("503"),
    "486": via("5486", USER_BUSY=node("response", code=486, message="Talking")),
    "480": via("5480", **{"sip:480": node("response", code=410, message="Moved away")}),
    "603": via("5603"),
    "211": via("511"),
    "212": via("512"),
    "213": node("sleep", {"_": answer(record(node("wait_for_hangup")))}, duration=300, unit="ms"),
    "301": record(node("ring_group", endpoints=TOGETHER, timeout=10), record_on_bridge=True),
    "302": record(node("ring_group", endpoints=IN_TURN, strategy="single"), record_on_bridge=True),
}


@pytest.fixture(scope="module")
def out() -> Gateways:
    gateways = Gateways()
    gateways.port("501", 3, progress_timeout=1)
    for number in ("502", "503", "511", "512", "5486", "5480", "5603"):
        gateways.port(number)
    return gateways


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, out: Gateways) -> Iterator[Shared]:
    with shared(tmp_path_factory.mktemp("out"), FLOWS, out.documents, NAMES) as found:
        yield found


def test_gateways_that_fail_forward_and_fork(place: Shared, out: Gateways) -> None:
    full, dead, good = out.ports["501"]
    (forwards,), (forks,) = out.ports["502"], out.ports["503"]
    elsewhere = free_ports(1)
    contact = f"Contact: <sip:other@127.0.0.1:{elsewhere}>;q=0.5, <sip:worst@127.0.0.1:{elsewhere}>;q=0.1"

    async def play(here: House) -> None:
        called = await asyncio.gather(
            here.sipp("full", port=full).start("uas_refuses", keys={"status": "503"}),
            here.sipp("good", port=good).start("uas_media"),
            here.sipp("forwards", port=forwards).start(
                "uas_refuses", keys={"status": "302", "more": contact}
            ),
            here.sipp("elsewhere", port=elsewhere).start("uas_media"),
            here.sipp("forks", port=forks).start("uas_forks"),
        )
        with _deaf(dead):
            callers = {name: here.sipp(name) for name in ("failover", "forwarded", "forked")}
            await asyncio.gather(
                callers["failover"].run(*TALK, at=here.at, number="201"),
                callers["forwarded"].run(*TALK, at=here.at, number="202"),
                callers["forked"].run(*TALK, at=here.at, number="203"),
                *(one.finished() for one in called),
            )
        for name in callers:
            await here.spoken(f"{name}-1", 0, "caller", least_s=0.6)
            await here.spoken(f"{name}-1", 1, "callee", least_s=0.6)

    place.run(play, recordings=3)


def _deaf(port: int) -> socket.socket:
    """A gateway that is there and says nothing."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    return sock


def test_refusals_lead_to_children_and_codes(place: Shared, out: Gateways) -> None:
    """What a gateway answers picks the child; ``response`` sends its code; CANCEL and 200 may cross. What was
    not connected is not recorded.
    """
    (crosses,), (rings,) = out.ports["511"], out.ports["512"]
    told = {
        "486": {"status": "486", "also": "SIP/2.0 486 Talking"},
        "480": {"status": "410", "also": "SIP/2.0 410 Moved away"},
        "603": {"status": "603", "also": "Reason: Q.850;cause=21"},
    }

    async def play(here: House) -> None:
        called = await asyncio.gather(
            *(
                here.sipp(f"says{status}", port=out.ports[f"5{status}"][0]).start(
                    "uas_refuses", keys={"status": status}
                )
                for status in told
            ),
            here.sipp("crosses", port=crosses).start("uas_cross"),
            here.sipp("rings", port=rings).start("uas_rings"),
        )
        await asyncio.gather(
            *(
                here.sipp(f"told{number}").run("uac_refused", at=here.at, number=number, keys=keys)
                for number, keys in told.items()
            ),
            here.sipp("cancels").run("uac_cancel", "-d", "300", at=here.at, number="211"),
            here.sipp("gives-up").run("uac_cancel", "-d", "300", at=here.at, number="212"),
            here.sipp("too-late").run("uac_cross", "-d", "1000", at=here.at, number="213"),
            *(one.finished() for one in called),
        )
        await here.spoken("too-late-1", 0, "caller", least_s=0.6)

    place.run(play, recordings=1)


def test_ring_groups(place: Shared) -> None:
    """Together: the losers get CANCEL. One after the other: the next rings when the first's time is over."""

    async def play(here: House) -> None:
        phones = await asyncio.gather(
            *(
                _phone(here, name, "uas_rings" if name in ("one", "three", "four") else "uas_media")
                for name in NAMES
            )
        )
        callers = [here.sipp("together"), here.sipp("in-turn")]
        await asyncio.gather(
            callers[0].run(*TALK, at=here.at, number="301"),
            callers[1].run(*TALK, at=here.at, number="302"),
            *(phone.finished() for phone in phones),
        )
        for name in ("together-1", "in-turn-1"):
            await here.spoken(name, 0, "caller", least_s=0.6)
            await here.spoken(name, 1, "callee", least_s=0.6)

    place.run(play, recordings=2)


async def _phone(here: House, name: str, scenario: str) -> Sipp:
    """A registered phone, which does as the scenario says when it is called."""
    register = here.sipp(f"register-{name}", PHONES)
    keys = {"me": name, "user": name, "password": PASSWORD, "status": "200"}
    await register.run("uac_register", at=here.at, number=name, keys=keys)
    return await here.sipp(name, PHONES, register.port).start(scenario)
