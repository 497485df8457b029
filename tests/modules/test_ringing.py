"""user and device: who is rung, and where the end of the ringing leads (kazoo.md 2.4)."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.events import CallAnswered, CallBridged, CallRinging
from tests.modules.stage import NEVER, Stage, answers, caller, keyed, node, rejects

STAYS = caller(leaves=300.0)


def _leads(first: dict[str, object]) -> dict[str, object]:
    """A node with a child for everything that may come of it."""
    return keyed(
        first,
        _=node("noop"),
        USER_BUSY=node("answer"),
        **{"sip:480": node("sleep"), "sip:600": node("dead_air")},
    )


def test_user_that_answers_ends_the_walk_with_the_talk(stage: Stage) -> None:
    ran = stage.run(
        _leads(node("user", {"id": "alice"})), Scenario(caller=STAYS, callee=answers(2.0, leaves=10.0))
    )
    assert ran.walk == [("user", "stop")]
    assert ran.report.seconds == pytest.approx(12.0, abs=0.1)
    assert len(ran.of(CallBridged)) == 1 and len(ran.of(CallAnswered)) == 1


def test_user_that_is_busy_leads_to_the_cause(stage: Stage) -> None:
    ran = stage.run(
        _leads(node("user", {"id": "alice"})), Scenario(caller=STAYS, callee=rejects("USER_BUSY"))
    )
    assert ran.walk[0] == ("user", "attempt USER_BUSY") and ran.modules == ["user", "answer"]


def test_user_failure_without_its_own_child_leads_to_the_status(stage: Stage) -> None:
    ran = stage.run(
        _leads(node("user", {"id": "alice"})), Scenario(caller=STAYS, callee=rejects("CALL_REJECTED", 480))
    )
    assert ran.walk[0] == ("user", "attempt sip:480")


def test_user_failure_with_neither_goes_on(stage: Stage) -> None:
    ran = stage.run(
        _leads(node("user", {"id": "alice"})), Scenario(caller=STAYS, callee=rejects("CALL_REJECTED", 603))
    )
    assert ran.walk == [("user", "continue _"), ("noop", "stop")]


def test_user_failure_does_not_go_on_to_an_empty_child(stage: Stage) -> None:
    flow = keyed(node("user", {"id": "alice"}, then=node("noop")), USER_BUSY={})
    ran = stage.run(flow, Scenario(caller=STAYS, callee=rejects("USER_BUSY")))
    assert ran.modules == ["user", "noop"]


def test_user_rings_as_long_as_it_says(stage: Stage) -> None:
    flow = node("user", {"id": "alice", "timeout": 7}, then=node("noop"))
    ran = stage.run(flow, Scenario(caller=STAYS, callee=NEVER))
    assert ran.step("user").seconds == pytest.approx(7.0, abs=0.05)
    assert ran.modules == ["user", "noop"]


def test_user_rings_all_devices_of_hers_together(demo: Stage) -> None:
    flow = node("user", {"id": "alice"}, then=node("noop"))
    endpoints = {"alice-mobile": answers(3.0, leaves=5.0), "alice-desk": NEVER}
    ran = demo.run(flow, Scenario(caller=STAYS, endpoints=endpoints))
    ringing = ran.of(CallRinging)
    assert sorted(event.endpoint for event in ringing) == ["device alice-desk", "device alice-mobile"]
    assert len({event.time for event in ringing}) == 1
    (bridged,) = ran.of(CallBridged)
    assert bridged.endpoint == "device alice-mobile"


def test_user_rings_one_device_after_the_other(demo: Stage) -> None:
    flow = node("user", {"id": "alice", "strategy": "single", "timeout": 5}, then=node("noop"))
    endpoints = {"alice-mobile": answers(3.0, leaves=5.0), "alice-desk": NEVER}
    ran = demo.run(flow, Scenario(caller=STAYS, endpoints=endpoints))
    first, second = ran.of(CallRinging)
    assert (first.endpoint, second.endpoint) == ("device alice-desk", "device alice-mobile")
    assert second.time - first.time == pytest.approx(5.0, abs=0.05)
    assert ran.walk == [("user", "stop")]


@pytest.mark.parametrize("called", [("user", "alice"), ("device", "alice-mobile"), ("device", "alice-desk")])
def test_user_who_calls_is_not_rung_on_any_phone_of_her_own(demo: Stage, called: tuple[str, str]) -> None:
    calls = Scenario(caller=STAYS, device_id="alice-desk", callee=answers(0.0, leaves=1.0))
    ran = demo.run(node(called[0], {"id": called[1]}, then=node("noop")), calls)
    assert ran.of(CallRinging) == [] and ran.modules[-1] == "noop"


def test_user_who_calls_is_rung_where_the_node_says_so(demo: Stage) -> None:
    calls = Scenario(caller=STAYS, device_id="alice-desk", callee=answers(0.0, leaves=1.0))
    both = demo.run(node("user", {"id": "alice", "can_call_self": True}), calls)
    assert len(both.of(CallRinging)) == 2


def test_user_that_is_not_there_is_passed_over(demo: Stage) -> None:
    ran = demo.run(node("user", {"id": "zoe"}, then=node("noop")), Scenario(caller=STAYS))
    assert ran.modules == ["user", "noop"]
    (notice,) = ran.notices("error")
    assert notice.code == "CF-DOC-003" and "zoe" in notice.message


def test_device_rings_twenty_seconds_unless_told(demo: Stage) -> None:
    ran = demo.run(
        node("device", {"id": "bob-desk"}, then=node("noop")), Scenario(caller=STAYS, callee=NEVER)
    )
    assert ran.step("device").seconds == pytest.approx(20.0, abs=0.05)
    assert [event.endpoint for event in ran.of(CallRinging)] == ["device bob-desk"]


def test_device_is_rung_after_its_delay(demo: Stage) -> None:
    flow = node("device", {"id": "bob-desk", "delay": 4, "timeout": 9}, then=node("noop"))
    ran = demo.run(flow, Scenario(caller=STAYS, callee=NEVER))
    (ringing,) = ran.of(CallRinging)
    assert ringing.time == pytest.approx(4.0, abs=0.05)


def test_device_that_calls_itself_is_nothing_to_ring(demo: Stage) -> None:
    flow = _leads(node("device", {"id": "bob-desk"}))
    ran = demo.run(flow, Scenario(caller=STAYS, device_id="bob-desk", callee=answers()))
    assert ran.walk == [("device", "continue _"), ("noop", "stop")]
    assert ran.of(CallRinging) == []


@pytest.mark.parametrize("quiet", [{"enabled": False}, {"do_not_disturb": {"enabled": True}}])
@pytest.mark.parametrize("kind", ["user", "device"])
def test_device_and_user_are_left_in_peace(demo: Stage, kind: str, quiet: dict[str, object]) -> None:
    id = "bob" if kind == "user" else "bob-desk"
    demo.has(kind, id, {**demo.account.all(kind)[id], **quiet})
    for flow in (node("device", {"id": "bob-desk"}), node("user", {"id": "bob"})):
        ran = demo.run(_leads(flow), Scenario(caller=STAYS, callee=answers(0.0, leaves=1.0)))
        assert ran.of(CallRinging) == [] and ran.modules[-1] == "noop"


def test_device_that_is_not_there_is_passed_over(demo: Stage) -> None:
    ran = demo.run(node("device", {"id": "fax"}, then=node("noop")), Scenario(caller=STAYS))
    assert ran.modules == ["device", "noop"] and len(ran.notices("error")) == 1
