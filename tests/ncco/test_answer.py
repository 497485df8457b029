"""Calls for an application's number: its web server is asked, as ncco.md 3.1 and 3.7 say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.accounts import Account
from callflow.documents.settings import load_settings
from callflow.engine.report import CallReport
from callflow.errors import NoFlow
from callflow.ncco.application import application_for, applications_of
from callflow.ncco.moves import End, Replace
from callflow.ncco.script import Script
from callflow.state.events import read_message
from callflow.state.records import list_deliveries
from tests.modules.stage import WALL, caller, node
from tests.ncco.webserver import WebServer, web_server

NUMBER = "447700900001"
SCRIPT = [{"action": "wait", "timeout": 2}]


@pytest.fixture
def account(tmp_path: Path) -> Path:
    folder = tmp_path / "account"
    (folder / "applications").mkdir(parents=True)
    (folder / "callflows").mkdir()
    return folder


def _application(folder: Path, server: WebServer, **more: Any) -> None:
    document = {
        "numbers": [f"+{NUMBER}"],
        "answer_url": f"{server.url}/answer?x=1",
        "event_url": "http://127.0.0.1:9/event",
        **more,
    }
    (folder / "applications" / "support.json").write_text(json.dumps(document))


def _call(folder: Path, to: str = NUMBER, **more: Any) -> tuple[CallReport, list[dict[str, Any]]]:
    """A call, and what went into the outbox."""
    clock = VirtualClock(WALL)

    async def place() -> tuple[CallReport, list[dict[str, Any]]]:
        options = EngineOptions(
            state=folder.parent / "state",
            settings=load_settings(),
            account=Account.load(folder),
            deliver=False,
        )
        async with Engine(options, clock) as engine:
            if "interrupt" in more:
                clock_task = _interrupt(engine, more["interrupt"])
                engine.keeping._loop.create_task(clock_task)
            scenario = Scenario(to_number=to, caller=caller(leaves=30.0))
            report = await engine.place_call(scenario)
            with clock.external():
                rows = await engine.database.arun(list_deliveries)
        rows.sort(key=lambda row: row.created_wall)
        return report, [dict(read_message(row)[0].body) for row in rows]

    return run_virtual(place(), clock)


async def _interrupt(engine: Engine, move: Any) -> None:
    await engine.clock.sleep(1.0)
    (session,) = engine.scripts.sessions.all()
    assert engine.scripts.sessions.find(session.uuid) is session
    assert engine.scripts.sessions.of_conversation(session.conversation_uuid) == [session]
    session.interrupt(move)


def test_the_answer_url_gives_the_script(account: Path) -> None:
    with web_server(answer=[SCRIPT]) as server:
        _application(account, server)
        report, told = _call(account)
    (request,) = server.came
    assert request.method == "GET"
    assert set(request.told) == {"x", "to", "from", "uuid", "conversation_uuid", "endpoint_type"}
    assert (request.told["to"], request.told["from"]) == (NUMBER, "1000")
    assert [(step.module, step.seconds) for step in report.steps] == [("wait", 2)]
    assert [body["status"] for body in told] == ["started", "ringing", "completed"]
    assert {body["uuid"] for body in told} == {request.told["uuid"]}


def test_by_post_it_is_a_json_body(account: Path) -> None:
    with web_server(answer=[SCRIPT]) as server:
        _application(account, server, answer_method="POST", signature_secret="x" * 32)
        _call(account)
    (request,) = server.came
    assert request.method == "POST" and request.told["to"] == NUMBER
    assert request.headers["Authorization"].startswith("Bearer ey")


@pytest.mark.parametrize("status", [429, 503, 504])
def test_a_busy_server_is_asked_twice_then_the_fallback_twice(account: Path, status: int) -> None:
    with web_server(answer=[(status, "")], fallback=[(status, ""), SCRIPT]) as server:
        _application(account, server, fallback_answer_url=f"{server.url}/fallback")
        report, _ = _call(account)
    assert [each.path for each in server.came] == ["/answer", "/answer", "/fallback", "/fallback"]
    assert [step.module for step in report.steps] == ["wait"]
    asked = server.told("/fallback")[0]
    assert asked["reason"] == f"it answered {status}" and asked["to"] == NUMBER
    assert json.loads(asked["original_request"]) == {"url": f"{server.url}/answer?x=1", "type": "answer"}
    assert [notice.code for notice in report.notices] == ["CF-RUN-NCCO-FALLBACK"]


def test_a_second_try_may_help(account: Path) -> None:
    with web_server(answer=[(503, ""), SCRIPT]) as server:
        _application(account, server)
        report, _ = _call(account)
    assert len(server.came) == 2 and report.notices == ()


@pytest.mark.parametrize(
    ("answer", "tries", "reason"),
    [
        ((404, ""), 1, "it answered 404"),
        ((503, ""), 2, "it answered 503"),
        ("<Response/>", 1, "the answer is not JSON"),
        ('"x"', 1, "the answer is no NCCO"),
        ("", 1, "the answer is no NCCO"),
        ("[" * 100_000, 1, "the answer is not JSON"),
        (f'[{{"action": "wait", "timeout": {"9" * 5000}}}]', 1, "the answer is not JSON"),
        ('[{"action": "talk", "text": "\\ud800"}]', 1, "the answer is not JSON"),
        ('[{"action": "wait", "timeout": NaN}]', 1, "the answer is not JSON"),
    ],
)
def test_without_a_script_the_call_ends_and_an_error_event_says_why(
    account: Path, answer: Any, tries: int, reason: str
) -> None:
    with web_server(answer=[answer]) as server:
        _application(account, server)
        report, told = _call(account)
    assert len(server.came) == tries and report.steps == ()
    assert (report.cause, report.ended_by) == ("NORMAL_TEMPORARY_FAILURE", "engine")
    assert [notice.code for notice in report.notices] == ["CF-RUN-NCCO-ANSWER"]
    assert [body["reason"] for body in told if "reason" in body] == [reason]


def test_a_server_that_is_not_there(account: Path) -> None:
    with web_server() as server:
        _application(account, server)
    report, told = _call(account)
    assert [notice.code for notice in report.notices] == ["CF-RUN-NCCO-ANSWER"]
    assert sum("reason" in body for body in told) == 1


def test_an_empty_script_ends_the_call(account: Path) -> None:
    with web_server(answer=[[]]) as server:
        _application(account, server)
        report, _ = _call(account)
    assert (report.cause, report.steps, report.notices) == ("NORMAL_CLEARING", (), ())


def test_a_callflow_with_the_number_goes_first_and_no_match_last(account: Path) -> None:
    flow = {"numbers": [NUMBER], "flow": node("sleep", {"duration": 1})}
    (account / "callflows" / "main.json").write_text(json.dumps(flow))
    with web_server(answer=[SCRIPT]) as server:
        _application(account, server)
        assert [step.module for step in _call(account)[0].steps] == ["sleep"]
        (account / "callflows" / "main.json").write_text(json.dumps({**flow, "numbers": ["no_match"]}))
        assert [step.module for step in _call(account)[0].steps] == ["wait"]
        assert [step.module for step in _call(account, "12345")[0].steps] == ["sleep"]
        (account / "callflows" / "main.json").unlink()
        with pytest.raises(NoFlow):
            _call(account, "12345")


def test_an_application_without_an_answer_url(account: Path) -> None:
    (account / "applications" / "a.json").write_text(json.dumps({"numbers": [NUMBER]}))
    report, told = _call(account)
    assert report.notices[0].message.count("no answer_url") == 1 and told == []


@pytest.mark.parametrize(
    ("move", "walked"),
    [
        (Replace(script=Script.parse([{"action": "wait", "timeout": 5}])), [("replace", 1), ("next", 5)]),
        (End(cause="USER_BUSY"), [("end", 1)]),
    ],
)
def test_a_script_is_broken_off_from_outside(account: Path, move: Any, walked: list[tuple[str, int]]) -> None:
    with web_server(answer=[SCRIPT]) as server:
        _application(account, server)
        report, _ = _call(account, interrupt=move)
    assert [(step.outcome, step.seconds) for step in report.steps] == walked


def test_applications_are_documents_of_the_account(account: Path) -> None:
    with web_server() as server:
        _application(
            account, server, private_key="../../secret.pem", public_key="a.pem", recording_ttl_days=7
        )
    known = Account.load(account)
    assert known.broken == ()
    (found,) = applications_of(known).values()
    assert found.private_key is None and found.public_key == account / "applications" / "a.pem"
    assert (found.answer and found.answer.method, found.event and found.event.method) == ("GET", "POST")
    assert (found.recording_ttl_days, found.timeouts.answer_s) == (7, 5)
    assert application_for(known, NUMBER) == found and application_for(known, "") is None
