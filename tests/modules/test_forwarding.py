"""Forwarding, do not disturb, call waiting: changed by phone, kept, and what ringing makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from callflow.channels.channel import DialTarget
from callflow.channels.sim.scenario import Answers, Callee, Party, PressDigits, Scenario, Timed
from callflow.documents.accounts import Account
from callflow.documents.forwarding import call_waiting, forwarding_of
from callflow.engine.dialling.identity import Identity
from callflow.events import CallBridged, CallRinging, DocumentChanged
from tests.modules.several import comes, run_all
from tests.modules.stage import NEVER, Ran, Stage, answers, caller, node, presses, rejects, tone

ALICE = Scenario(
    from_number="2001", user_id="alice", device_id="alice-desk", caller=caller(leaves=90.0), callee=NEVER
)
ZOE = Scenario(from_number="+15550100", caller=caller(leaves=90.0), callee=NEVER)
RING = node("user", {"id": "alice", "timeout": 10}, then=node("noop"))


def forward(**said: object) -> dict[str, Any]:
    return {"call_forward": {"enabled": True, "number": "2003", "require_keypress": False, **said}}


def rung(ran: Ran) -> list[tuple[float, str]]:
    return [(round(event.time, 1), event.endpoint) for event in ran.of(CallRinging)]


def change(office: Stage, kind: str, id: str, patch: Mapping[str, Any]) -> None:
    document = office.account.get(kind, id)
    assert document is not None
    office.has(kind, id, {**document, **patch})


def feature(
    module: str, pressed: str = "", at: float = 2.0, **data: object
) -> tuple[dict[str, Any], Scenario]:
    """A flow of one module, and Alice, who presses something."""
    script = (presses(at, pressed),) if pressed else ()
    return node(module, data, then=node("noop")), replace(ALICE, caller=caller(*script, leaves=90.0))


# ---- do not disturb ---------------------------------------------------------------------------


def test_do_not_disturb_holds_for_the_next_call_and_after_a_restart(office: Stage) -> None:
    switch = node("do_not_disturb", {"action": "toggle"}, then=node("hangup"))
    first, second = run_all(
        office, comes(0.0, "*78", ALICE, switch), comes(20.0, "2001", replace(ZOE, caller=caller(leaves=5.0)))
    )
    assert first.step("do_not_disturb").did == "do not disturb is on for user alice"
    (changed,) = first.of(DocumentChanged)
    assert (changed.account_id, changed.kind, changed.document_id) == ("office", "user", "alice")
    assert changed.keys == ("do_not_disturb",)
    assert rung(second) == [] and second.walk[0] == ("user", "continue _"), "the next call of the engine"
    assert rung(office.run(RING, ZOE)) == [], "an engine that was started anew"
    again = office.run(switch, ALICE)
    assert again.step("do_not_disturb").did == "do not disturb is off for user alice"
    assert rung(office.run(RING, ZOE)) == [(0.0, "device alice-desk")]


@pytest.mark.parametrize(
    ("data", "caller_is", "did"),
    [
        ({"action": "activate", "id": "bob-desk"}, ALICE, "do not disturb is on for device bob-desk"),
        ({"action": "activate", "id": "bob"}, ALICE, "do not disturb is on for user bob"),
        ({"action": "deactivate"}, ALICE, "do not disturb is off for user alice"),
        ({}, ALICE, "had no action"),
        ({"action": "activate"}, ZOE, "found nobody whose it would be"),
    ],
)
def test_do_not_disturb_of_whom(office: Stage, data: Any, caller_is: Scenario, did: str) -> None:
    ran = office.run(node("do_not_disturb", data, then=node("noop")), caller_is)
    assert ran.step("do_not_disturb").did == did
    assert ran.notices("error") == []


# ---- call waiting -----------------------------------------------------------------------------


def test_call_waiting_off_makes_a_phone_in_a_call_busy(office: Stage) -> None:
    off = node("call_waiting", {"action": "deactivate", "scope": "user"}, then=node("hangup"))
    assert office.run(off, ALICE).step("call_waiting").did == "call waiting is off for user alice"
    talk = replace(ZOE, callee=answers(1.0), end_when_quiet_s=None)
    ring = node("user", {"id": "alice", "timeout": 10}, USER_BUSY=node("noop"))
    first, second = run_all(office, comes(0.0, "1", talk, ring), comes(10.0, "2", ZOE, ring))
    assert first.of(CallBridged)
    assert rung(second) == [] and second.walk[0] == ("user", "attempt USER_BUSY")
    office.run(node("call_waiting", {"scope": "user"}), ALICE)
    first, second = run_all(office, comes(0.0, "1", talk, ring), comes(10.0, "2", ZOE, ring))
    assert rung(second) == [(10.0, "device alice-desk")], "toggled: on again"


def test_call_waiting_is_said_by_device_then_owner_then_account(office: Stage) -> None:
    device: dict[str, Any] = {"owner_id": "alice"}
    on, off = {"call_waiting": {"enabled": True}}, {"call_waiting": {"enabled": False}}
    users = {"alice": off}
    account = Account("a", document=on, documents={"user": users})
    assert not call_waiting(account, device)
    assert call_waiting(account, {**device, **on})
    assert not call_waiting(Account("a", document=off), {})
    assert call_waiting(Account("a"), {})
    ran = office.run(node("call_waiting", {}, then=node("noop")), ZOE)
    assert ran.step("call_waiting").did == "found no device whose it would be"


# ---- call_forward by phone --------------------------------------------------------------------


def test_call_forward_asks_for_the_number_and_is_followed_by_later_calls(office: Stage) -> None:
    flow, script = feature("call_forward", "2003#", action="activate")
    first, second = run_all(
        office, comes(0.0, "*72", script, flow), comes(30.0, "2001", replace(ZOE, caller=caller(leaves=5.0)))
    )
    assert first.step("call_forward").did == "forwarding of user alice is on, to 2003"
    assert rung(second) == [(30.0, "device carol-desk")]
    assert rung(office.run(RING, ZOE)) == [(0.0, "device carol-desk")], "after a restart"
    off, _ = feature("call_forward", action="deactivate")
    assert office.run(off, ALICE).step("call_forward").did == "forwarding of user alice is off"
    assert rung(office.run(RING, ZOE)) == [(0.0, "device alice-desk")]
    toggle, _ = feature("call_forward", action="toggle")
    assert office.run(toggle, ALICE).step("call_forward").did == "forwarding of user alice is on, to 2003"


def test_call_forward_takes_the_captured_number(office: Stage) -> None:
    office.flows["72"] = {
        "patterns": [r"^\*72([0-9]+)$"],
        "flow": node("call_forward", {"action": "activate"}, then=node("noop")),
    }
    ran = office.dial("*722002", replace(ALICE, to_number="*722002"))
    assert ran.step("call_forward").did == "forwarding of user alice is on, to 2002"


@pytest.mark.parametrize(
    ("pressed", "at", "data", "did"),
    [
        ("12#", 2.0, {"action": "update"}, "forwarding of user alice is off"),  # too short, and no more comes
        ("2002#", 2.0, {"action": "update"}, "forwarding of user alice is off"),
        ("", 2.0, {"action": "menu"}, "forwarding of user alice is off"),
        ("9", 2.0, {"action": "menu", "menu_retries": 1}, "forwarding of user alice is off"),
        ("", 2.0, {}, "had no action"),
    ],
)
def test_call_forward_leaves_it_off(office: Stage, pressed: str, at: float, data: Any, did: str) -> None:
    flow, script = feature("call_forward", pressed, at, **data)
    assert office.run(flow, script).step("call_forward").did == did


def test_call_forward_menu_changes_the_number_and_switches(office: Stage) -> None:
    flow = node("call_forward", {"action": "menu"}, then=node("noop"))
    script = caller(presses(1.0, "2"), presses(6.0, "2002#"), presses(12.0, "1"), leaves=90.0)
    ran = office.run(flow, replace(ALICE, caller=script))
    assert ran.step("call_forward").did == "forwarding of user alice is on, to 2002"
    stranger = office.run(flow, ZOE)
    assert stranger.step("call_forward").did == "found nobody whose calls to forward"


# ---- what ringing makes of it -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "phones"),
    [
        ({}, ["device carol-desk"]),
        ({"substitute": False}, ["device carol-desk", "device alice-desk"]),
        ({"enabled": False}, ["device alice-desk"]),
        ({"number": "2002"}, ["device bob-desk"]),
        ({"number": "+15550199"}, ["number +15550199"]),
        ({"number": "2001"}, []),  # to herself: round in a circle
        ({"number": "77"}, []),  # nobody takes it
    ],
)
def test_user_who_forwards_is_rung_elsewhere(office: Stage, said: Any, phones: list[str]) -> None:
    change(office, "user", "alice", forward(**said))
    ran = office.run(RING, ZOE)
    assert [name for _, name in rung(ran)] == phones
    assert [notice.code for notice in ran.notices("warning")] == ([] if phones else ["CF-RUN-FORWARD"])


def test_device_forwarding_counts_before_its_owner_s(office: Stage) -> None:
    change(office, "user", "alice", forward(number="2002"))
    change(office, "device", "alice-desk", forward(number="2003"))
    assert rung(office.run(node("device", {"id": "alice-desk"}), ZOE)) == [(0.0, "device carol-desk")]
    account = Account("a", documents={"user": {"alice": forward(number="2")}})
    off = {"owner_id": "alice", "call_forward": {"enabled": False, "number": "1", "substitute": False}}
    found = forwarding_of(account, off)
    assert found is not None and (found.number, found.substitute) == ("2", False), (
        "the owner's over the device's"
    )
    assert forwarding_of(account, {"owner_id": "bob"}) is None


def test_user_without_a_phone_who_forwards(office: Stage) -> None:
    office.has("user", "dora", {"first_name": "Dora", "last_name": "D", **forward()})
    assert rung(office.run(node("user", {"id": "dora"}), ZOE)) == [(0.0, "device carol-desk")]


def test_user_forwarding_goes_from_phone_to_phone_but_not_for_ever(office: Stage) -> None:
    change(office, "user", "alice", forward(number="2002"))
    change(office, "user", "bob", forward(number="2003"))
    assert rung(office.run(RING, ZOE)) == [(0.0, "device carol-desk")]
    change(office, "user", "carol", forward(number="2002"))
    ran = office.run(RING, ZOE)
    assert rung(ran) == [] and "CF-RUN-FORWARD" in [notice.code for notice in ran.notices()]


def test_user_who_forwards_to_a_menu_sends_the_caller_there(office: Stage) -> None:
    office.flows["lobby"] = {"numbers": ["2100"], "flow": node("menu", {"id": "main"})}
    change(office, "user", "alice", forward(number="2100"))
    ran = office.run(RING, replace(ZOE, caller=caller(presses(3.0, "2003"), leaves=20.0)))
    assert ran.modules[:2] == ["user", "menu"] and rung(ran)[0][1] == "device carol-desk"


def test_ring_group_follows_forwarding_only_if_it_is_told_to(office: Stage) -> None:
    change(office, "user", "alice", forward())

    def group(**data: object) -> dict[str, Any]:
        return node(
            "ring_group", {"endpoints": [{"id": "alice", "endpoint_type": "user"}], "timeout": 5, **data}
        )

    assert rung(office.run(group(), ZOE)) == [(0.0, "device alice-desk")]
    assert rung(office.run(group(ignore_forward=False), ZOE)) == [(0.0, "device carol-desk")]
    change(office, "user", "alice", forward(direct_calls_only=True))
    assert rung(office.run(group(ignore_forward=False), ZOE)) == [(0.0, "device alice-desk")]
    assert rung(office.run(RING, ZOE)) == [(0.0, "device carol-desk")]


def test_user_whose_phone_is_off_line_fails_over(office: Stage) -> None:
    change(office, "user", "alice", forward(enabled=False, failover=True))
    offline = {"alice-desk": rejects("USER_NOT_REGISTERED", 480), "carol-desk": answers(1.0, leaves=2.0)}
    ran = office.run(RING, replace(ZOE, endpoints=offline))
    assert [name for _, name in rung(ran)] == ["device alice-desk", "device carol-desk"]
    assert ran.walk == [("user", "stop")]
    busy = {"alice-desk": rejects("USER_BUSY", 486)}
    assert [name for _, name in rung(office.run(RING, replace(ZOE, endpoints=busy)))] == ["device alice-desk"]


def test_forwarded_call_shows_the_caller_or_who_forwards(
    office: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    kept = Identity.present

    def present(self: Identity, target: DialTarget) -> DialTarget:
        shown = kept(self, target)
        seen.append(shown.caller.from_number if shown.caller else "")
        return shown

    monkeypatch.setattr(Identity, "present", present)
    for keeps in (True, False):
        change(office, "user", "alice", forward(keep_caller_id=keeps))
        office.run(RING, ZOE)
    assert seen == ["+15550100", "2001"]


# ---- who answers must press a key -------------------------------------------------------------


def taking(*keys: tuple[float, str], after: float = 1.0) -> Callee:
    """A callee who answers and presses keys so many seconds later."""
    script = tuple(Timed(at, PressDigits(digit)) for at, digit in keys)
    return Callee(Answers(after), Party(clips=(tone(440, 30),), script=script))


@pytest.mark.parametrize(
    ("carol", "outcome", "seconds"),
    [
        (taking((2.0, "1")), "gone", None),
        (taking((2.0, "5")), "attempt NO_ANSWER", 3.0),
        (taking(), "attempt NO_ANSWER", 16.0),  # a mailbox that answers: 15 s to press a key
        (rejects("USER_BUSY", 486), "continue _", 0.0),
    ],
)
def test_forwarded_call_is_taken_by_a_key(
    office: Stage, carol: Callee, outcome: str, seconds: float | None
) -> None:
    change(office, "user", "alice", forward(require_keypress=True))
    ring = node("user", {"id": "alice", "timeout": 10}, then=node("noop"), NO_ANSWER=node("noop"))
    ran = office.run(ring, replace(ZOE, callee=carol, caller=caller(leaves=40.0), end_when_quiet_s=None))
    assert ran.walk[0] == ("user", outcome)
    bridged = ran.of(CallBridged)
    assert [round(event.time, 1) for event in bridged] == ([3.0] if outcome == "gone" else [])
    if seconds is not None:
        assert ran.step("user").seconds == pytest.approx(seconds, abs=0.2)


def test_the_phone_rings_on_while_the_forwarded_one_is_asked(office: Stage) -> None:
    change(office, "user", "alice", forward(require_keypress=True, substitute=False))
    endpoints = {"carol-desk": taking((5.0, "1")), "alice-desk": answers(3.0, leaves=2.0)}
    ran = office.run(RING, replace(ZOE, endpoints=endpoints))
    (bridge,) = ran.of(CallBridged)
    assert (bridge.endpoint, round(bridge.time, 1)) == ("device alice-desk", 3.0)
    assert ran.walk == [("user", "stop")]
