"""callflow: to another flow and back."""

from __future__ import annotations

from callflow.channels.sim.scenario import Scenario
from callflow.documents.accounts import Account
from tests.modules.stage import Stage, caller, node


def test_callflow_runs_the_other_flow_and_then_its_own_child(stage: Stage) -> None:
    stage.flows["greet"] = {"name": "Greeting", "flow": node("answer", then=node("noop"))}
    ran = stage.run(node("callflow", {"id": "greet"}, then=node("set_variables")))
    assert ran.modules == ["callflow", "answer", "noop", "set_variables"]
    assert ran.walk[0] == ("callflow", "branch greet")


def test_callflow_that_is_not_there_is_passed_over(stage: Stage) -> None:
    ran = stage.run(node("callflow", {"id": "nowhere"}, then=node("noop")))
    assert ran.modules == ["callflow", "noop"]
    (notice,) = ran.notices("error")
    assert "nowhere" in notice.message


def test_callflow_without_an_id_is_passed_over(stage: Stage) -> None:
    ran = stage.run(node("callflow", then=node("noop")))
    assert ran.modules == ["callflow", "noop"] and len(ran.notices("error")) == 1


def test_callflow_takes_a_flow_written_in_place(stage: Stage) -> None:
    ran = stage.run(node("callflow", {"flow": node("answer")}, then=node("noop")))
    assert ran.modules == ["callflow", "answer", "noop"]


def test_callflow_loops_end(stage: Stage) -> None:
    stage.flows["round"] = {"flow": node("callflow", {"id": "round"})}
    ran = stage.run(node("callflow", {"id": "round"}))
    limit = stage.settings.callflow.max_branch_count
    assert ran.modules == ["callflow"] * (limit + 1)
    assert [notice.code for notice in ran.notices("error")] == ["CF-ENG-002"]


def test_callflow_of_the_accounts_preflow_comes_first(stage: Stage) -> None:
    stage.flows["first"] = {"flow": node("noop", then=node("tones", {"tones": "%(500,0,440)"}))}
    stage.account = Account("main", document={"preflow": {"always": "first"}})
    ran = stage.run(node("sleep", {"duration": 1}), Scenario(caller=caller(leaves=60.0)))
    assert ran.modules == ["noop", "tones", "sleep"] and ran.report.ended_by == "engine"
    stage.account = Account("main", document={"preflow": {"always": "nowhere"}})
    ran = stage.run(node("sleep", {"duration": 1}), Scenario(caller=caller(leaves=60.0)))
    assert ran.modules == ["sleep"] and [each.code for each in ran.notices("error")] == ["CF-RUN-CALLFLOW"]
