"""Module ``park``: slots, retrieving, ringback, and recordings that go on through all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callflow.channels.sim.scenario import Answers, Callee, Party, Scenario, Timed, TransferTo
from callflow.events import (
    CallBridged,
    CallEnded,
    CallRinging,
    ParkingChanged,
    PresenceChanged,
    RecordingChanged,
)
from tests.modules.several import comes, run_all
from tests.modules.stage import (
    HIGH,
    LOW,
    Ran,
    Stage,
    caller,
    level,
    loud,
    node,
    tone,
)

THIRD = 1500
"""What the one who retrieves sings, in Hz."""

PARK: dict[str, Any] = {"action": "park"}
RECORD = {"action": "start", "format": "wav", "label": "a"}


@pytest.fixture
def office(stage: Stage) -> Stage:
    """Alice, bob and carol with a phone each; 2002 rings bob and is recorded, *3 parks, *4 retrieves."""
    for name in ("alice", "bob", "carol"):
        stage.has("user", name, {"first_name": name})
        stage.has("device", f"{name}-desk", {"name": name, "owner_id": name})
    flow = {
        "bob": ({"numbers": ["2002"]}, node("record_call", RECORD, then=node("user", {"id": "bob"}))),
        "park": ({"patterns": ["^\\*3([0-9]+)$"]}, node("park", PARK)),
        "get": ({"patterns": ["^\\*4([0-9]+)$"]}, node("park", {"action": "retrieve"})),
        "auto": ({"patterns": ["^\\*5([0-9]+)$"]}, node("park", {"action": "auto"})),
    }
    stage.flows = {id: {**how, "flow": tree} for id, (how, tree) in flow.items()}
    return stage


def parks(at: float, number: str = "*3101", *, kind: str = "blind") -> Callee:
    """Bob answers after a second and transfers the caller to a slot ``at`` seconds later."""
    script = (Timed(at, TransferTo(number, kind, consult_s=3.0)),)
    return Callee(Answers(1.0), Party(clips=(tone(HIGH, 100.0),), script=script))


def calling(*, leaves: float | None = None, hz: int = LOW, device: str = "", **parts: Any) -> Scenario:
    """Somebody who sings from the start, and hangs up after ``leaves`` seconds."""
    return Scenario(caller=caller(says=[tone(hz, 100.0)], leaves=leaves), device_id=device, **parts)


def changes(ran: Ran) -> list[tuple[float, str, str]]:
    return [(round(e.time, 2), e.change, e.slot) for e in ran.of(ParkingChanged)]


def cause(ran: Ran) -> str:
    (ended,) = ran.of(CallEnded)
    return str(ended.cause)


def test_park_and_retrieve_with_one_recording_through_all_of_it(office: Stage) -> None:
    parked, taker = run_all(
        office,
        comes(0, "2002", calling(callee=parks(5.0))),
        comes(16, "*4101", calling(leaves=10.0, hz=THIRD, device="carol-desk")),
    )
    assert changes(parked) == [(6, "parked", "101"), (16, "retrieved", "101")]
    assert [(e.presence_id, e.status) for e in parked.of(PresenceChanged)] == [
        ("101", "ringing"),
        ("101", "idle"),
    ]
    assert parked.modules == ["record_call", "user", "park"] and taker.modules == ["park"]
    row = parked.row()
    assert (row.state, row.samples) == ("READY", 26 * 8000)
    sound = parked.sound(row)
    for begin in (1, 5, 7, 15, 17, 25):  # the caller, without a gap, with bob, in the slot, with carol
        assert level(sound[:, 0], LOW, begin, begin + 0.9) > 3000
    assert level(sound[:, 1], HIGH, 2, 5.9) > 3000
    assert loud(sound[:, 1], 6.1, 11) > 20  # hold music
    assert level(sound[:, 1], HIGH, 6.1, 15.9) < 30 and level(sound[:, 1], THIRD, 6.1, 15.9) < 30
    assert level(sound[:, 1], THIRD, 16.1, 25.9) > 3000
    assert "moved" not in parked.changes(row.id)  # the caller's leg never left
    assert cause(parked) == cause(taker) == "NORMAL_CLEARING"
    assert [(e.call_id, e.leg) for e in taker.of(CallBridged)] == [(taker.report.call_id,) * 2]
    assert not parked.notices("error") and not taker.notices("error")


def test_the_call_of_who_retrieves_is_recorded_too(office: Stage) -> None:
    flow = node(
        "record_call", {**RECORD, "record_on_bridge": True}, then=node("park", {"action": "retrieve"})
    )
    parked, taker = run_all(
        office,
        comes(0, "2002", calling(callee=parks(5.0), leaves=30.0)),
        comes(16, "101", calling(hz=THIRD, device="carol-desk"), {"patterns": ["^([0-9]+)$"], "flow": flow}),
    )
    row = taker.row()
    assert (row.state, row.samples) == ("READY", 14 * 8000)
    sound = taker.sound(row)
    assert level(sound[:, 0], THIRD, 0.1, 13.9) > 3000 and level(sound[:, 1], LOW, 0.1, 13.9) > 3000
    assert parked.row().samples == 30 * 8000
    assert cause(taker) == "NORMAL_CLEARING"


def test_the_music_is_the_accounts(office: Stage) -> None:
    music = {"music_on_hold": {"media_id": "tone_stream://%(1000,0,700)"}}
    office.account = replace(office.account, document=music)
    (parked,) = run_all(office, comes(0, "2002", calling(callee=parks(5.0), leaves=12.0)))
    assert level(parked.sound(parked.row())[:, 1], 700, 6.1, 11.9) > 1000


def test_a_recording_that_does_not_follow_ends_with_the_transfer(office: Stage) -> None:
    tree = node("record_call", {**RECORD, "should_follow_transfer": False}, then=node("user", {"id": "bob"}))
    office.flows["bob"] = {"numbers": ["2002"], "flow": tree}
    (parked,) = run_all(office, comes(0, "2002", calling(callee=parks(5.0), leaves=20.0)))
    assert parked.row().samples == 6 * 8000 and parked.row().reason == "transfer"
    assert changes(parked) == [(6, "parked", "101"), (20, "abandoned", "101")]


def test_an_attended_transfer_puts_the_caller_into_the_slot_that_the_parker_holds(office: Stage) -> None:
    """Bob hears the slot's number on a call of his own; then the caller takes his place there."""
    parked, taker = run_all(
        office,
        comes(0, "2002", calling(callee=parks(5.0, kind="attended"))),
        comes(20, "*4101", calling(leaves=5.0, hz=THIRD, device="carol-desk")),
    )
    assert parked.modules == ["record_call", "user"]  # the slot is that of the consultation call
    row = parked.row()
    assert row.samples == 25 * 8000
    sound = parked.sound(row)
    assert loud(sound[:, 1], 9.1, 14) > 20
    assert level(sound[:, 1], THIRD, 20.1, 24.9) > 3000 and level(sound[:, 0], LOW, 20.1, 24.9) > 3000
    assert [e.change for e in parked.of(RecordingChanged)] == ["started", "finishing", "ready"]
    assert cause(taker) == "NORMAL_CLEARING"


def test_nobody_retrieves_a_slot_that_is_held_for_a_transfer(office: Stage) -> None:
    holder, taker, again = run_all(
        office,
        comes(0, "*3101", calling(leaves=30.0, device="bob-desk")),
        comes(5, "*4101", calling(device="carol-desk")),
        comes(10, "*3101", calling(device="alice-desk")),
    )
    assert taker.report.steps[-1].did == "slot 101 is empty"
    assert again.report.steps[-1].did == "slot 101 is taken"
    assert changes(holder) == [(0, "parked", "101"), (30, "abandoned", "101")]


def test_auto_parks_and_retrieves(office: Stage) -> None:
    parked, _taker = run_all(
        office,
        comes(0, "*5102", calling(leaves=30.0, device="alice-desk")),
        comes(5, "*5102", calling(leaves=5.0, device="bob-desk")),
    )
    assert changes(parked) == [(0, "parked", "102"), (5, "retrieved", "102")]
    assert cause(parked) == "NORMAL_CLEARING" and parked.report.steps[-1].outcome == "stop"


def test_the_parker_is_rung_and_takes_the_call_back(office: Stage) -> None:
    data = {"default_ringback_timeout": 10_000, "slots": {"101": {"callback_timeout": 4000}}}
    office.flows["park"] = {"patterns": ["^\\*3([0-9]+)$"], "flow": node("park", data)}
    (parked,) = run_all(office, comes(0, "2002", calling(callee=parks(5.0), leaves=40.0)))
    # The same pretend bob answers the ringback, and does not transfer a second time.
    assert changes(parked) == [(6, "parked", "101"), (17, "retrieved", "101")]
    rings = parked.of(CallRinging)
    assert [(round(e.time), e.endpoint) for e in rings] == [(0, "device bob-desk"), (16, "device bob-desk")]
    sound = parked.sound(parked.row())
    assert loud(sound[:, 1], 16.1, 16.9) > 10  # the music goes on while the phone rings
    assert level(sound[:, 1], HIGH, 17.1, 39.9) > 3000


@pytest.mark.parametrize("child", [True, False])
def test_a_ringback_that_nobody_answers(office: Stage, child: bool) -> None:
    """Bob's phone takes six seconds to answer; the ringback gives it five."""
    tree = node("park", {"default_ringback_timeout": 10_000, "default_callback_timeout": 5000})
    if child:
        tree["children"]["101"] = node("tones", {"tones": ["%(500,0,800)"]})
    office.flows["park"] = {"patterns": ["^\\*3([0-9]+)$"], "flow": tree}
    slow = Callee(Answers(6.0), parks(4.0).party)
    (parked,) = run_all(office, comes(0, "2002", calling(callee=slow, leaves=45.0)))
    assert [round(e.time) for e in parked.of(CallRinging)] == ([0, 20] if child else [0, 20, 35])
    assert changes(parked) == [(10, "parked", "101"), (25 if child else 45, "abandoned", "101")]
    assert parked.modules[2:] == (["park", "tones"] if child else ["park"])


def test_a_taken_slot_sends_the_transferred_call_back(office: Stage) -> None:
    slow = Callee(Answers(2.0), parks(4.0).party)
    first, second = run_all(
        office,
        comes(0, "*5101", calling(leaves=30.0, device="alice-desk")),
        comes(1, "2002", calling(callee=slow, leaves=20.0)),
    )
    assert changes(second) == [] and changes(first)[-1] == (30, "abandoned", "101")
    assert [round(e.time) for e in second.of(CallRinging)] == [1, 7]
    assert [round(e.time) for e in second.of(CallBridged)] == [3, 9]
    assert second.row().samples == 20 * 8000


def test_max_slot_exceeded(office: Stage) -> None:
    tree = node("park", {"max_slot_number": 110})
    tree["children"]["MAX_SLOT_EXCEEDED"] = node("tones", {"tones": ["%(500,0,800)"]})
    (ran,) = run_all(office, comes(0, "111", calling(), {"patterns": ["^([0-9]+)$"], "flow": tree}))
    assert ran.walk == [("park", "continue MAX_SLOT_EXCEEDED"), ("tones", "stop")]
