"""input, notify, wait, pay and what is no action: what the web server is told, and what its answers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from callflow.channels.sim.scenario import Timed
from callflow.delivery.signing import verify
from callflow.state.events import body_bytes
from tests.modules.stage import WALL, presses
from tests.ncco.recorded import SECRET, Told, one
from tests.ncco.webserver import WebServer, web_server

WAIT = {"action": "wait", "timeout": 1}
OTHER = [{"action": "wait", "timeout": 2.5}]


def _input(
    state: Path, server: WebServer, *does: Timed, then: Sequence[Mapping[str, Any]] = (), **data: Any
) -> Told:
    asked = {"action": "input", "eventUrl": [f"{server.url}/input"], **data}
    return one(state, asked, *then, does=does)


@pytest.mark.parametrize(
    ("dtmf", "does", "digits", "timed_out", "seconds"),
    [
        ({}, [presses(1, "1234")], "1234", False, 1.6),
        ({}, [presses(1, "12")], "12", True, 4.2),
        ({}, [], None, True, 3),
        ({"timeOut": 0.5}, [], None, True, 0.5),
        ({"maxDigits": 1}, [presses(1, "42")], "4", False, 1),
        ({"submitOnHash": True}, [presses(1, "12#")], "12", False, 1.4),
        ({"submitOnHash": "true", "maxDigits": "2"}, [presses(1, "#")], None, False, 1),
        ({"maxDigits": 3}, [presses(1, "1#2")], "1#2", False, 1.4),
    ],
)
def test_digits(
    tmp_path: Path, dtmf: dict[str, Any], does: list[Timed], digits: str, timed_out: bool, seconds: float
) -> None:
    with web_server(input=[""]) as server:
        told = _input(tmp_path, server, *does, type=["dtmf"], dtmf=dtmf)
    (body,) = server.told("/input")
    assert body["dtmf"] == {"digits": digits, "timed_out": timed_out}
    assert told.steps()[0].seconds == pytest.approx(seconds, abs=0.25)
    assert set(body) == {"from", "to", "uuid", "conversation_uuid", "timestamp", "dtmf"}


def test_a_script_of_old_gets_a_result_of_old(tmp_path: Path) -> None:
    with web_server(input=[""]) as server:
        told = _input(tmp_path, server, presses(1, "9"), maxDigits=1, eventUrl=f"{server.url}/input")
    (body,) = server.told("/input")
    assert (body["dtmf"], body["timed_out"]) == ("9", False)
    assert {"CF-CHK-131", "CF-CHK-138"} == set(told.notices())


def test_an_answer_replaces_the_rest_of_the_script_and_is_signed_for(tmp_path: Path) -> None:
    with web_server(input=[OTHER]) as server:
        told = _input(tmp_path, server, presses(1, "1"), type=["dtmf"], dtmf={"maxDigits": 1}, then=[WAIT])
    assert [(step.module, step.outcome) for step in told.steps()] == [("input", "replace"), ("wait", "next")]
    assert told.steps()[1].seconds == 2.5
    (request,) = server.came
    claims = verify(body_bytes(request.told), request.headers["Authorization"], SECRET, now=WALL + 1)
    assert claims["application_id"] == "app" and claims["api_key"] == "main"


@pytest.mark.parametrize("answer", ["", "ok", {"status": "ok"}, [], "<html/>", {"ncco": []}])
def test_an_answer_without_a_script_lets_the_script_go_on(tmp_path: Path, answer: Any) -> None:
    with web_server(input=[answer]) as server:
        told = _input(tmp_path, server, type=["dtmf"], dtmf={"timeOut": 0.5}, then=[WAIT])
    assert [step.module for step in told.steps()] == ["input", "wait"] and told.notices() == []


def test_a_server_that_fails_is_asked_twice(tmp_path: Path) -> None:
    with web_server(input=[(503, "")]) as server:
        told = _input(tmp_path, server, type=["dtmf"], dtmf={"timeOut": 0.5}, then=[WAIT])
    assert len(server.came) == 2 and told.notices() == ["CF-RUN-NCCO-EVENT"]
    assert [step.module for step in told.steps()] == ["input", "wait"]


def test_asynchronous_digits_come_one_by_one_while_the_script_goes_on(tmp_path: Path) -> None:
    asked = {
        "action": "input",
        "type": ["dtmf"],
        "mode": "asynchronous",
        "eventUrl": ["http://127.0.0.1:9/d"],
    }
    told = one(tmp_path, asked, {"action": "wait", "timeout": 4}, does=[presses(1, "12")])
    assert [step.seconds for step in told.steps()] == [0, 4]
    assert [body["dtmf"] for body in told.bodies("dtmf")] == [
        {"digits": "1", "timed_out": False},
        {"digits": "2", "timed_out": False},
    ]


# ---- notify, wait, pay, no action -----------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_notify_sends_its_payload_and_may_be_given_a_script(tmp_path: Path, method: str) -> None:
    with web_server(event=[{"ncco": OTHER}]) as server:
        notify = {"action": "notify", "payload": {"step": 1}, "eventUrl": [f"{server.url}/event"]}
        told = one(tmp_path, {**notify, "eventMethod": method}, WAIT)
    (request,) = server.came
    payload = {"step": 1} if method == "POST" else '{"step":1}'
    assert (request.method, request.told["payload"]) == (method, payload)
    assert request.told["conversation_uuid"].startswith("CON-") and request.told["timestamp"].endswith("Z")
    assert [(step.outcome, step.seconds) for step in told.steps()] == [("replace", 0), ("next", 2.5)]


def test_a_server_that_answers_itself_for_ever_ends_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callflow.ncco.runner.MAX_SCRIPTS", 5)
    with web_server(event=[""]) as server:
        notify = {"action": "notify", "payload": {}, "eventUrl": [f"{server.url}/event"]}
        server.answers["/event"] = [[notify]]
        told = one(tmp_path, notify)
    assert len(told.steps()) == 5 and told.reports[0].cause == "NORMAL_TEMPORARY_FAILURE"
    assert told.notices() == ["CF-RUN-NCCO"]


@pytest.mark.parametrize(("said", "seconds"), [(2.5, 2.5), ("1.5", 1.5), (0, 0.1), (None, 10)])
def test_wait(tmp_path: Path, said: Any, seconds: float) -> None:
    told = one(tmp_path, {"action": "wait"} if said is None else {"action": "wait", "timeout": said})
    assert told.steps()[0].seconds == pytest.approx(seconds)
    assert [body["status"] for body in told.bodies("status")] == ["started", "ringing", "completed"]


def test_pay_is_answered_by_an_error_event_and_a_failed_payment(tmp_path: Path) -> None:
    told = one(tmp_path, {"action": "pay", "amount": 9.99}, WAIT)
    assert [body["reason"] for body in told.bodies("reason")] == ["pay is not carried out here"]
    (payment,) = told.bodies("type")
    assert (payment["type"], payment["status"]) == ("payment", "failure")
    assert [step.did for step in told.steps()] == ["passed over", "waited 1 s"]


def test_what_is_no_action_is_passed_over_with_an_error_event(tmp_path: Path) -> None:
    script: list[Any] = [{"action": "tallk"}, {"text": "x"}, 3, {"action": "talk"}, WAIT]
    told = one(tmp_path, *script)
    assert [step.path for step in told.steps()] == ["/0", "/1", "/2", "/3", "/4"]
    reasons = [body["reason"] for body in told.bodies("reason")]
    assert reasons == [
        "NCCO syntax error: there is no action 'tallk': passed over",
        'NCCO syntax error: the object has no "action": passed over',
        "NCCO syntax error: the action is not an object: passed over",
        "the key text is missing",
    ]


def test_an_action_with_a_fault_of_its_own_does_not_end_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callflow.ncco.actions.notify.events", None)
    notify = {"action": "notify", "payload": {}, "eventUrl": ["http://127.0.0.1:9/x"]}
    told = one(tmp_path, notify, WAIT)
    assert told.notices() == ["CF-RUN-ACTION"]
    assert [step.did for step in told.steps()] == ["failed", "waited 1 s"]
