"""answer, hangup, noop, sleep, dead_air, wait_for_hangup, response: they answer, hold or end a call."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.events import CallAnswered, CallEnded
from tests.modules.stage import Stage, caller, node


def test_answer_answers_once(stage: Stage) -> None:
    ran = stage.run(node("answer", then=node("answer")))
    assert [step.did for step in ran.report.steps] == ["answered", "was answered already"]
    assert len(ran.of(CallAnswered)) == 1
    assert ran.walk == [("answer", "continue _"), ("answer", "stop")]


def test_hangup_ignores_the_flow_that_is_waiting(stage: Stage) -> None:
    stage.flows["other"] = {"flow": node("hangup", then=node("noop"))}
    ran = stage.run(node("callflow", {"id": "other"}, then=node("answer")))
    assert ran.modules == ["callflow", "hangup"]
    assert ran.report.ended_by == "engine" and ran.report.cause == "NORMAL_CLEARING"


def test_noop_only_leads_on(stage: Stage) -> None:
    ran = stage.run(node("noop", then=node("noop")))
    assert ran.walk == [("noop", "continue _"), ("noop", "stop")]
    assert not ran.of(CallAnswered) and ran.notices() == []


@pytest.mark.parametrize(
    ("duration", "unit", "seconds"), [(1500, "ms", 1.5), (7, "s", 7.0), (2, "m", 120.0), (1, "h", 3600.0)]
)
def test_sleep_takes_its_units(stage: Stage, duration: int, unit: str, seconds: float) -> None:
    ran = stage.run(
        node("sleep", {"duration": duration, "unit": unit}, then=node("noop")),
        Scenario(caller=caller(leaves=4000.0)),
    )
    assert ran.step("sleep").seconds == pytest.approx(seconds, abs=0.02)
    assert ran.modules == ["sleep", "noop"]


def test_sleep_ends_with_the_caller(stage: Stage) -> None:
    ran = stage.run(node("sleep", {"duration": 60}, then=node("noop")), Scenario(caller=caller(leaves=2.0)))
    assert ran.modules == ["sleep"]
    assert ran.report.seconds == pytest.approx(2.0, abs=0.02)


def test_dead_air_answers_and_waits_for_the_caller_to_leave(stage: Stage) -> None:
    ran = stage.run(node("dead_air", then=node("noop")), Scenario(caller=caller(leaves=7.0)))
    assert ran.modules == ["dead_air"]
    assert len(ran.of(CallAnswered)) == 1
    (ended,) = ran.of(CallEnded)
    assert ended.by == "party" and ended.duration == pytest.approx(7.0, abs=0.02)


def test_wait_for_hangup_waits_without_answering(stage: Stage) -> None:
    ran = stage.run(node("wait_for_hangup", then=node("noop")), Scenario(caller=caller(leaves=3.0)))
    assert ran.modules == ["wait_for_hangup"]
    assert not ran.of(CallAnswered)
    assert ran.report.seconds == pytest.approx(3.0, abs=0.02)


def test_response_refuses_with_its_status(stage: Stage) -> None:
    ran = stage.run(node("response", {"code": 404, "message": "Not Found"}, then=node("noop")))
    assert ran.modules == ["response"] and ran.step("response").did == "answered 404"
    assert ran.report.cause in ("UNALLOCATED_NUMBER", "NO_ROUTE_DESTINATION")
    assert not ran.of(CallAnswered)


def test_response_without_a_code_is_busy(stage: Stage) -> None:
    assert stage.run(node("response")).report.cause == "USER_BUSY"


def test_response_plays_its_announcement_before(stage: Stage) -> None:
    ran = stage.run(node("response", {"code": 486, "media": "tone_stream://%(2000,0,440)"}))
    assert ran.step("response").seconds == pytest.approx(2.0, abs=0.02)
    assert not ran.of(CallAnswered) and ran.report.cause == "USER_BUSY"


def test_response_refuses_even_if_the_announcement_is_missing(stage: Stage) -> None:
    ran = stage.run(node("response", {"code": 486, "media": "nowhere"}))
    assert ran.report.cause == "USER_BUSY"
    (notice,) = ran.notices("error")
    assert notice.code == "CF-DOC-003" and "nowhere" in notice.message


def test_response_on_an_answered_call_is_a_hangup(stage: Stage) -> None:
    ran = stage.run(node("answer", then=node("response", {"code": 486})))
    assert ran.report.cause == "NORMAL_CLEARING"
