"""PINs: guesses are bounded within a call and across calls, and no PIN is told to anybody."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.documents.moduledata import prepare_document
from callflow.engine.pins import (
    FORGIVE_S,
    LONGEST_S,
    MOST_KEPT,
    MOST_OF_DOOR,
    MOST_OF_SOURCE,
    WrongPins,
    pins_of,
)
from callflow.engine.sound.listening import HIDDEN
from callflow.events import DigitPressed
from tests.modules.several import Coming, comes, run_all
from tests.modules.stage import Ran, Stage, caller, node, presses

PIN = "73519"
WRONG = "24680"
GUESSES = (presses(2.0, f"{WRONG}#"), presses(7.0, f"{WRONG}#"), presses(12.0, f"{WRONG}#"))


@pytest.fixture
def office(stage: Stage) -> Stage:
    stage.has("user", "alice", {"hotdesk": {"id": "7", "require_pin": True, "pin": PIN}})
    stage.has("device", "alice-desk", {"owner_id": "alice"})
    stage.has("device", "bob-desk", {})
    stage.has("vmbox", "box", {"mailbox": "1", "pin": PIN, "is_setup": True, "owner_id": "alice"})
    stage.has("conference", "room", {"member": {"pins": [PIN, ""]}, "play_welcome": False})
    trees: dict[str, dict[str, Any]] = {
        "1": node("voicemail", {"action": "check", "id": "box"}),
        "2": node("hotdesk", {"action": "login", "id": "alice"}),
        "3": node("disa", {"pin": PIN}),
        "4": node("conference", {"id": "room"}),
        "5": node("noop"),
    }
    stage.flows = {f"n{number}": {"numbers": [number], "flow": tree} for number, tree in trees.items()}
    return stage


def guesser(at: float, number: str, *, device: str = "", shows: str = "") -> Coming:
    """Three wrong PINs."""
    return comes(
        at,
        number,
        Scenario(from_number=shows or "100", device_id=device, caller=caller(*GUESSES, leaves=80.0)),
    )


def knower(at: float, number: str, *, device: str = "") -> Coming:
    """The right PIN at once."""
    script = caller(presses(3.0, f"{PIN}#"), leaves=30.0)
    return comes(at, number, Scenario(from_number="200", device_id=device, caller=script))


def codes(ran: Ran) -> list[str]:
    return [notice.code for notice in ran.notices("warning")]


def was_let_in(ran: Ran) -> bool:
    return not {"CF-RUN-PIN", "CF-RUN-PIN-CLOSED"} & set(codes(ran))


@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
def test_guessing_is_bounded_across_calls_and_keeps_no_phone_of_the_account_out(
    office: Stage, number: str
) -> None:
    """Strangers who show another number each time close the door to strangers only."""
    calls = [guesser(100.0 * at, number, shows=f"55501{at}") for at in range(4)]
    ran = run_all(
        office,
        *calls,
        knower(330.0, number),  # from outside: closed, though it is right
        knower(330.0, number, device="bob-desk"),
        knower(3000.0, number),  # open again
    )
    assert all("CF-RUN-PIN" in codes(one) for one in ran[:4])
    assert [("CF-RUN-PIN-CLOSED" in codes(one)) for one in ran] == [False] * 3 + [True, True, False, False]
    assert was_let_in(ran[5]) and was_let_in(ran[6])


@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
def test_no_pin_is_told(office: Stage, number: str) -> None:
    """Neither the right one nor what was tried, in any event; not even key by key."""
    for ran in run_all(office, guesser(0.0, number), knower(100.0, number)):
        told = [asdict(event) for event in ran.events]
        assert {event.digit for event in ran.of(DigitPressed)} == {HIDDEN}
        for text in (json.dumps(told, default=str), repr(ran.report.steps), repr(ran.report.notices)):
            assert PIN not in text and WRONG not in text


def test_nobody_from_outside_logs_a_user_out(office: Stage) -> None:
    office.has("device", "bob-desk", {"hotdesk": {"users": {"alice": {}}}})
    flow = node("hotdesk", {"action": "logout", "id": "alice"})
    stranger, inside = run_all(
        office,
        Coming(0.0, Scenario(caller=caller(leaves=30.0)), flow),
        Coming(40.0, Scenario(device_id="bob-desk", caller=caller(leaves=30.0)), flow),
    )
    assert "no phone" in stranger.step("hotdesk").did
    assert "has logged out" in inside.step("hotdesk").did


# ---- counting ----------------------------------------------------------------------------------


def closed_for(pins: WrongPins, now: float, source: str = "n") -> float:
    return pins.closed_s("box", "", source, now)


def test_a_door_closes_for_longer_each_time_and_forgives_slowly() -> None:
    pins = WrongPins()
    for _ in range(MOST_OF_DOOR - 1):
        pins.wrong("box", "", "n", 0.0)
    assert closed_for(pins, 0.0) == 0
    now, tries = 0.0, 0
    while now < 86_400:  # a patient attacker, with another number each time
        if (wait := closed_for(pins, now, f"n{tries}")) > 0:
            assert wait <= LONGEST_S
            now += wait
        pins.wrong("box", "", f"n{tries}", now)
        tries += 1
    assert tries < 100
    assert closed_for(pins, now + LONGEST_S) == 0
    pins.right("box", "")
    assert closed_for(pins, now) == 0
    for _ in range(3 * MOST_OF_DOOR):  # slips of people now and then close nothing
        now += FORGIVE_S
        pins.wrong("room", "", f"n{now}", now)
    assert pins.closed_s("room", "", "n", now) == 0


def test_one_pin_at_many_doors_is_bounded_and_so_is_what_is_remembered() -> None:
    pins = WrongPins()
    for at in range(MOST_OF_SOURCE):
        pins.wrong(f"box {at}", "", "n", 0.0)
    assert pins.closed_s("box 999", "", "n", 0.0) > 0
    assert pins.closed_s("box 999", "", "other", 0.0) == 0
    for at in range(2 * MOST_KEPT):
        pins.wrong("box", str(at), str(at), 0.0)
    assert len(pins) == 2 * MOST_KEPT


# ---- slips in documents --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "opens"), [(73519, True), ("73519", True), ({"pin": PIN}, False), (True, False), (7.5, False)]
)
def test_a_pin_of_the_wrong_type_is_no_open_door(stage: Stage, said: object, opens: bool) -> None:
    """A dial tone without a PIN, or a conference, for everybody would be the worst way to read a slip."""
    stage.flows = {"out": {"numbers": ["9"], "flow": node("noop")}}
    tone, room, nobody = run_all(
        stage,
        Coming(
            0.0, Scenario(caller=caller(presses(3.0, f"{PIN}#"), leaves=60.0)), node("disa", {"pin": said})
        ),
        Coming(0.0, knower(0.0, "9").scenario, _room([said])),
        Coming(70.0, Scenario(caller=caller(leaves=60.0)), _room(said)),
    )
    assert ("CF-RUN-PIN" in codes(tone)) is not opens
    assert ("CF-RUN-PIN" in codes(room)) is not opens
    assert "CF-RUN-PIN" in codes(nobody)
    for ran in (tone, room, nobody):
        assert PIN not in repr(ran.report.notices)


def _room(pins: object) -> dict[str, Any]:
    config = {"name": "room", "play_welcome": False, "member": {"pins": pins}}
    return node("conference", {"config": config})


@pytest.mark.parametrize("said", [[1234], ["12ab"], "1234", {"a": "b"}])
def test_a_conference_document_keeps_pins_that_cannot_be_judged(said: object) -> None:
    read = prepare_document("conference", {"member": {"pins": said}})
    assert pins_of(read.data["member"]["pins"]) != []
    assert "12" not in repr(read.notes)
