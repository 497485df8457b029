"""hotdesk, ring_group_toggle, manual_presence: who sits where, who is away, which lamp is on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.clock import GREGORIAN_OFFSET_S
from callflow.events import CallRinging, PresenceChanged
from callflow.state.changes import list_changes
from callflow.state.database import Database
from tests.modules.several import comes, run_all
from tests.modules.stage import NEVER, WALL, Ran, Stage, answers, caller, node, presses

DESK = Scenario(from_number="2001", device_id="alice-desk", caller=caller(leaves=90.0), callee=NEVER)
ZOE = Scenario(from_number="+15550100", caller=caller(leaves=60.0), callee=NEVER)
HANGUP = node("hangup")


def rung(ran: Ran) -> list[str]:
    return [event.endpoint.removeprefix("device ") for event in ran.of(CallRinging)]


def at_desk(
    office: Stage, action: str, *pressed: tuple[float, str], desk: str = "alice-desk", **data: Any
) -> Ran:
    script = caller(*(presses(at, digits) for at, digits in pressed), leaves=90.0)
    flow = node("hotdesk", {"action": action, **data}, then=HANGUP)
    return office.run(flow, replace(DESK, device_id=desk, caller=script))


def rings(office: Stage, user: str) -> list[str]:
    return rung(office.run(node("user", {"id": user, "timeout": 2}), ZOE))


def test_hotdesk_login_with_pin_and_logout(office: Stage) -> None:
    """Bob sits down at Alice's desk; his calls come there, over restarts; then he leaves."""
    ran = at_desk(office, "login", (3.0, "2002#"), (7.0, "0000#"), (12.0, "2580#"))
    assert ran.step("hotdesk").did == "bob has logged in to alice-desk"
    assert rings(office, "bob") == ["alice-desk", "bob-desk"]
    assert rings(office, "alice") == [], "the phone is not hers now"
    out = at_desk(office, "logout")
    assert out.step("hotdesk").did == "bob has logged out"
    assert (rings(office, "bob"), rings(office, "alice")) == (["bob-desk"], ["alice-desk"])


def test_hotdesk_calls_from_the_phone_are_the_user_s(office: Stage) -> None:
    at_desk(office, "login", id="carol")
    quiet = office.run(node("do_not_disturb", {"action": "activate"}, then=HANGUP), DESK)
    assert quiet.step("do_not_disturb").did == "do not disturb is on for user carol"


@pytest.mark.parametrize(
    ("pressed", "did"),
    [
        (((3.0, "2002#"), (7.0, "1#"), (11.0, "2#"), (15.0, "3#")), "bob did not know the PIN"),
        (((3.0, "9#"), (8.0, "8#"), (13.0, "7#")), "found no such user"),
        ((), "found no such user"),
    ],
)
def test_hotdesk_lets_nobody_in_without_number_and_pin(office: Stage, pressed: Any, did: str) -> None:
    assert at_desk(office, "login", *pressed).step("hotdesk").did == did
    assert rings(office, "bob") == ["bob-desk"]


def test_hotdesk_logs_out_elsewhere_unless_told_to_stay(office: Stage) -> None:
    for desk in ("alice-desk", "carol-desk"):
        at_desk(office, "login", (3.0, "2580#"), desk=desk, id="bob")
    assert rings(office, "bob") == ["bob-desk", "carol-desk"]
    bob = office.account.get("user", "bob") or {}
    office.has("user", "bob", {**bob, "hotdesk": {"keep_logged_in_elsewhere": True}})
    at_desk(office, "login", id="bob")
    assert rings(office, "bob") == ["alice-desk", "bob-desk", "carol-desk"]
    at_desk(office, "logout", id="bob")
    assert rings(office, "bob") == ["bob-desk", "carol-desk"], "only at this phone"


def test_hotdesk_toggle_bridge_and_nobody(office: Stage) -> None:
    assert at_desk(office, "toggle", id="carol").step("hotdesk").did == "carol has logged in to alice-desk"
    bridge = node("hotdesk", {"action": "bridge", "id": "carol"}, then=node("noop"))
    ran = office.run(bridge, replace(ZOE, callee=answers(1.0, leaves=2.0)))
    assert rung(ran) == ["alice-desk"] and ran.walk == [("hotdesk", "stop")]
    assert at_desk(office, "toggle", id="carol").step("hotdesk").did == "carol has logged out"
    assert office.run(bridge, ZOE).step("hotdesk").did == "found nothing to ring"
    assert at_desk(office, "login", id="nobody").step("hotdesk").did == "found no such user"
    assert at_desk(office, "login", id="carol", desk="").step("hotdesk").did == (
        "the call comes from no phone of the account"
    )
    carol = office.account.get("user", "carol") or {}
    office.has("user", "carol", {**carol, "hotdesk": {"enabled": False}})
    assert office.run(bridge, ZOE).step("hotdesk").did == "hot desking is off for carol"


# ---- ring_group_toggle ------------------------------------------------------------------------

GROUP = {
    "numbers": ["2100"],
    "flow": node(
        "ring_group",
        {
            "endpoints": [{"id": "alice", "endpoint_type": "user"}, {"id": "bob", "endpoint_type": "user"}],
            "timeout": 3,
        },
    ),
}


def test_ring_group_toggle_takes_the_caller_out_and_in_again(office: Stage) -> None:
    office.flows["sales"] = GROUP
    alice = replace(DESK, user_id="alice")

    def toggle(action: str, callflow: str = "sales") -> dict[str, Any]:
        return node("ring_group_toggle", {"action": action, "callflow_id": callflow}, then=HANGUP)

    left, after = run_all(office, comes(0.0, "*1", alice, toggle("logout")), comes(20.0, "2100", ZOE))
    assert left.step("ring_group_toggle").did == "alice has left the ring group of sales"
    assert rung(after) == ["bob-desk"]
    assert rung(office.dial("2100", replace(ZOE, to_number="2100"))) == ["bob-desk"], "after a restart"
    office.run(toggle("login"), alice)
    assert rung(office.dial("2100", replace(ZOE, to_number="2100"))) == ["alice-desk", "bob-desk"]
    for who, where in ((replace(DESK, device_id="carol-desk"), "sales"), (alice, "nowhere"), (ZOE, "sales")):
        refused = office.run(toggle("logout", where), who)
        assert refused.step("ring_group_toggle").did == "the caller is in no ring group of the callflow"


def test_ring_group_keeps_to_disable_until(office: Stage) -> None:
    now = int(WALL) + GREGORIAN_OFFSET_S
    for until, phones in (
        (now + 100, []),
        (now - 100, ["alice-desk"]),
        (0, ["alice-desk"]),
    ):
        member = {"id": "alice", "endpoint_type": "user", "disable_until": until}
        assert rung(office.run(node("ring_group", {"endpoints": [member], "timeout": 2}), ZOE)) == phones


# ---- manual_presence --------------------------------------------------------------------------


def test_manual_presence_tells_and_keeps_the_lamp(office: Stage) -> None:
    ran = office.run(node("manual_presence", {"presence_id": "night", "status": "busy"}, then=HANGUP), ZOE)
    (changed,) = ran.of(PresenceChanged)
    assert (changed.presence_id, changed.status) == ("night@office.example.com", "busy")
    office.run(node("manual_presence", {"presence_id": "door@x.example", "status": "ringing"}), ZOE)
    nothing = office.run(node("manual_presence", {"presence_id": ""}, then=HANGUP), ZOE)
    assert [notice.code for notice in nothing.notices("error")] == ["CF-RUN-PRESENCE"]
    database = Database.open(ran.state / "callflow.db")
    kept = {row.document_id: row.patch for row in database.run(list_changes) if row.kind == "presence"}
    database.close()
    assert kept == {"night@office.example.com": {"status": "busy"}, "door@x.example": {"status": "ringing"}}
