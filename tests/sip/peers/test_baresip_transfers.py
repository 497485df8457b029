"""Real softphones transfer: who stays hears the next one, and every recording goes on without a gap."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.sip.peers import moments
from tests.sip.peers.baresip import Baresip
from tests.sip.peers.house import node, record
from tests.sip.peers.listening import sides
from tests.sip.peers.town import HERTZ, HOLD_S, PLAYED, Town, play, ring, town

pytestmark = pytest.mark.peer

ALICE, BOB, CAROL = (HERTZ[name] for name in ("alice", "bob", "carol"))

FLOWS = {
    "200": record(ring("bob")),
    "300": record(ring("carol")),
    "400": record(node("answer", {"_": play()})),
    "500": record(ring("dave", _=play())),
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two media processes: calls take turns, and what is transferred may have to move."""
    with town(tmp_path_factory.mktemp("transfers"), FLOWS, "--workers", "2") as found:
        yield found


@pytest.fixture(scope="module")
def phones(here: Town) -> dict[str, Any]:
    return {name: here.phone(name) for name in ("alice", "bob", "carol")}


def talk(here: Town, phones: dict[str, Any]) -> str:
    """Alice calls Bob; their call id, when they have talked a little."""
    for phone in phones.values():
        phone.events.clear()
    call = here.call(phones["alice"], "200")
    phones["bob"].wait_for("CALL_ESTABLISHED")
    time.sleep(1.2)
    return call


def test_the_caller_sends_the_called_one_to_a_third(here: Town, phones: dict[str, Any]) -> None:
    alice, bob, carol = phones.values()
    call = talk(here, phones)
    assert alice.command("transfer", f"sip:300@{here.house.at}")["ok"]
    alice.wait_for("CALL_CLOSED")
    carol.wait_for("CALL_ESTABLISHED")
    time.sleep(1.2)
    bob.command("hangup")
    carol.wait_for("CALL_CLOSED")
    left, right = sides(here.delivered(call))
    assert left.seconds > 2.3
    _, last = left.span(ALICE)
    began, ended = left.span(CAROL)
    lines, id = here.house.server.lines, here.run(here.house.recording(here.delivered(call)))
    assert last > moments.moved(lines, id) - 0.05, "until she was let go"
    assert began < moments.spoke(lines, id, moments.latest_leg(lines), HOLD_S) + moments.NEAR_S
    left.assert_says(CAROL, began + 0.1, ended - 0.1)
    right.assert_speaks(BOB, right.seconds - 0.3)
    left, right = sides(here.delivered(f"{call}-2"))
    left.assert_says(BOB, 0.1, left.seconds - 0.3)
    right.assert_speaks(CAROL, right.seconds - 0.3)


def test_the_called_one_sends_the_caller_to_a_flow(here: Town, phones: dict[str, Any]) -> None:
    alice, bob, _ = phones.values()
    call = talk(here, phones)
    assert bob.command("transfer", f"sip:400@{here.house.at}")["ok"]
    bob.wait_for("CALL_CLOSED")
    time.sleep(1.2)
    alice.command("hangup")
    left, right = sides(here.delivered(call))
    assert left.seconds > 2.3
    left.assert_speaks(ALICE, left.seconds - 0.3)
    right.assert_speaks(BOB, 1.1)
    began, ended = right.span(PLAYED)
    assert began - right.span(BOB)[1] < 0.4
    right.assert_says(PLAYED, began + 0.1, ended - 0.1)


def test_a_transfer_to_who_is_not_there_goes_on_in_the_flow(here: Town, phones: dict[str, Any]) -> None:
    alice, bob, _ = phones.values()
    call = talk(here, phones)
    alice.command("transfer", f"sip:500@{here.house.at}")
    alice.wait_for("CALL_CLOSED")
    time.sleep(1)
    bob.command("hangup")
    left, right = sides(here.delivered(call))
    right.assert_speaks(BOB, right.seconds - 0.3)
    assert left.span(PLAYED)[1] > left.seconds - 0.3


def answer_of(phone: Baresip, call_id: str) -> str:
    """The 200 that a call of the phone was answered with."""
    log = (phone.folder / "baresip.log").read_text(errors="replace")
    return next(
        part
        for part in log.split("\x1b[;m")
        if "SIP/2.0 200 OK" in part and f"Call-ID: {call_id}" in part and re.search(r"CSeq: \d+ INVITE", part)
    )


def within(pattern: str, text: str) -> str:
    """What is found in the parentheses of a pattern."""
    found = re.search(pattern, text)
    assert found, (pattern, text)
    return found[1]


def media_process(here: Town, answer: str) -> bool:
    """Which half of the media ports a call's sound has: each process has one."""
    low, high = within(r"UDP (\d+-\d+)", here.lines("sound ")[0]).split("-")
    return int(within(r"m=audio (\d+)", answer)) > (int(low) + int(high)) / 2


def test_an_attended_transfer(here: Town, phones: dict[str, Any]) -> None:
    """Alice talks with Bob, holds him, talks with Carol, and brings the two together."""
    alice, bob, carol = phones.values()
    first = talk(here, phones)
    alice.command("hold")
    alice.events.clear()
    assert alice.command("dial", f"sip:300@{here.house.at}")["ok"]
    second = str(alice.wait_for("CALL_ESTABLISHED")["id"])
    carol.wait_for("CALL_ESTABLISHED")
    time.sleep(1)
    answers = answer_of(alice, first), answer_of(alice, second)
    assert media_process(here, answers[0]) != media_process(here, answers[1]), "or nothing has to move"
    to, own = (within(rf"\n{name}: .*;tag=(\S+)", answers[1]) for name in ("To", "From"))
    replaces = quote(f"{second};to-tag={to};from-tag={own}", safe="")
    alice.command("callfind", first)
    assert alice.command("transfer", f"<sip:300@{here.house.at}?Replaces={replaces}>")["ok"]
    alice.wait_for("CALL_CLOSED")
    time.sleep(1.3)
    bob.command("hangup")
    carol.wait_for("CALL_CLOSED")
    left, right = sides(here.delivered(first))
    began, ended = left.span(CAROL)
    left.assert_says(CAROL, began + 0.2, ended - 0.1)
    right.assert_says(BOB, began + 0.2, right.seconds - 0.3)
    left, right = sides(here.delivered(second))
    left.assert_speaks(ALICE, 0.9)
    right.assert_speaks(CAROL, 0.9)
