"""after_bridge: what becomes of the caller when the other party hangs up."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from tests.modules.stage import LOW, Ran, Stage, answers, caller, node, tone

SHORT = answers(1.0, leaves=3.0)


def _talk(stage: Stage, data: dict[str, object]) -> Ran:
    stage.has("user", "alice", {})
    stage.has("device", "desk", {"owner_id": "alice"})
    stage.has("callflow", "survey", {"numbers": ["2099"], "flow": node("tones", {"tones": "%(500,0,440)"})})
    flow = node("after_bridge", data, then=node("user", {"id": "alice"}))
    party = caller(says=[tone(LOW, 20)], leaves=20.0)
    return stage.run(flow, Scenario(caller=party, callee=SHORT))


def test_after_bridge_transfers_the_caller_who_stays(stage: Stage) -> None:
    ran = _talk(stage, {"action": "transfer", "data": "2099"})
    assert ran.modules == ["after_bridge", "user", "tones"] and ran.notices() == []
    assert ran.step("user").did == "was transferred"


def test_after_bridge_parks(stage: Stage) -> None:
    ran = _talk(stage, {"action": "park", "data": True})
    assert ran.modules == ["after_bridge", "user", "park"] and ran.report.seconds == pytest.approx(
        20.0, abs=0.1
    )


def test_after_bridge_hangs_up_even_where_a_flow_waits(stage: Stage) -> None:
    stage.has("callflow", "inner", {"numbers": [], "flow": node("user", {"id": "alice"})})
    stage.has("user", "alice", {})
    stage.has("device", "desk", {"owner_id": "alice"})
    waits = ["after_bridge", "callflow", "user"]
    for wish, modules in ((True, waits), (False, [*waits, "noop"])):
        branch = node("callflow", {"id": "inner"}, then=node("noop"))
        flow = node("after_bridge", {"action": "hangup", "data": wish}, then=branch)
        ran = stage.run(flow, Scenario(caller=caller(says=[tone(LOW, 20)], leaves=20.0), callee=SHORT))
        assert ran.modules == modules


@pytest.mark.parametrize(
    "data", [{}, {"action": "transfer", "data": ""}, {"action": "transfer", "data": True}]
)
def test_after_bridge_says_what_it_cannot_do(stage: Stage, data: dict[str, object]) -> None:
    ran = _talk(stage, data)
    assert [notice.code for notice in ran.notices("error")] == ["CF-RUN-AFTER-BRIDGE"]
    assert ran.modules == ["after_bridge", "user"]


def test_after_bridge_holds_for_one_talk_only(stage: Stage) -> None:
    stage.has("callflow", "again", {"numbers": ["2098"], "flow": node("user", {"id": "alice"})})
    ran = _talk(stage, {"action": "transfer", "data": "2098"})
    assert ran.modules == ["after_bridge", "user", "user"]
