"""Live calls for an application's number, and calls that go from one conversation to another."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.call import PretendCall
from callflow.channels.sim.scenario import Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.accounts import Account
from callflow.documents.catalog import Tenant
from callflow.documents.settings import load_settings
from callflow.events import CallEnded, Event, Noticed, RoomJoined, StepEnded
from callflow.ncco.script import Script
from callflow.state.events import read_message
from callflow.state.records import list_deliveries
from tests.modules.stage import WALL, caller, tone
from tests.ncco.recorded import APPLICATION, Comes, take
from tests.ncco.webserver import web_server

NUMBER = "447700900001"


def test_a_live_call_asks_its_application_and_one_for_nobody_is_refused(tmp_path: Path) -> None:
    account = tmp_path / "account"
    (account / "applications").mkdir(parents=True)
    clock = VirtualClock(WALL)
    events: list[Event] = []

    async def call(engine: Engine, number: str) -> None:
        pretend = PretendCall(
            Scenario(to_number=number, caller=caller(leaves=9.0)),
            media=engine.media,
            clock=clock,
            ids=engine.ids,
            notice=lambda *words: None,
            incoming=lambda channel, dialer: None,
        )
        settings = load_settings()
        tenants = {"account": Tenant(Account.load(account), settings)}
        engine.serve(tenants, lambda account_id: pretend.dialer)
        engine.take_call(pretend.caller, "account")
        pretend.begin()
        assert await engine.live.empty(60.0)
        await pretend.close()

    async def run() -> list[str]:
        options = EngineOptions(state=tmp_path / "state", settings=load_settings(), deliver=False)
        async with Engine(options, clock) as engine:
            engine.bus.subscribe(events.append)
            for number in (NUMBER, "999"):
                await call(engine, number)
            assert engine.scripts.sessions.all() == []
            with clock.external():
                rows = await engine.database.arun(list_deliveries)
        rows.sort(key=lambda row: row.created_wall)
        return [str(read_message(row)[0].body["status"]) for row in rows]

    with web_server(answer=[[{"action": "wait", "timeout": 2}]]) as server:
        document = {
            "numbers": [NUMBER],
            "answer_url": f"{server.url}/answer",
            "event_url": "http://127.0.0.1:9/",
        }
        (account / "applications" / "a.json").write_text(json.dumps(document))
        states = run_virtual(run(), clock)
    assert states == ["started", "ringing", "completed"]
    assert [event.module for event in events if isinstance(event, StepEnded)] == ["wait"]
    assert [event.cause for event in events if isinstance(event, CallEnded)] == ["NORMAL_CLEARING"]
    (refused,) = [event for event in events if isinstance(event, Noticed)]
    assert refused.code == "CF-RUN-NO-FLOW" or "answered 404" in refused.message


def test_transfer_into_a_named_conversation(tmp_path: Path) -> None:
    clock = VirtualClock(WALL)
    events: list[Event] = []

    async def run() -> tuple[str, list[StepEnded], list[dict[str, object]]]:
        options = EngineOptions(state=tmp_path, settings=load_settings(), deliver=False)
        async with Engine(options, clock) as engine:
            engine.bus.subscribe(events.append)
            room = Script.parse([{"action": "conversation", "name": "meeting", "endOnExit": True}])
            first = asyncio.ensure_future(
                engine.place_call(
                    Scenario(caller=caller(says=[tone(440, 30)], leaves=8.0)),
                    script=room,
                    application=APPLICATION,
                )
            )
            await clock.sleep(2.0)
            (named,) = engine.scripts.sessions.named.all().values()
            script = Script.parse([{"action": "transfer", "conversationId": named.conversation.uuid}])
            second = await engine.place_call(
                Scenario(from_number="1001", caller=caller(leaves=20.0)),
                script=script,
                application=APPLICATION,
            )
            await first
            with clock.external():
                rows = await engine.database.arun(list_deliveries)
        bodies = [dict(read_message(row)[0].body) for row in rows]
        return named.conversation.uuid, list(second.steps), bodies

    uuid, steps, bodies = run_virtual(run(), clock)
    (moved,) = [body for body in bodies if "conversation_uuid_to" in body]
    assert set(moved) == {"conversation_uuid_from", "conversation_uuid_to", "uuid", "timestamp"}
    assert moved["conversation_uuid_to"] == uuid != moved["conversation_uuid_from"]
    assert [(step.module, step.outcome, step.seconds) for step in steps] == [("transfer", "end", 6.0)]
    assert [event.members for event in events if isinstance(event, RoomJoined)] == [1, 2]


def test_a_conversation_that_nobody_has_named_cannot_be_joined(tmp_path: Path) -> None:
    script: list[dict[str, Any]] = [
        {"action": "transfer", "conversationId": "CON-1"},
        {"action": "wait", "timeout": 1},
    ]
    told = take(tmp_path, Comes(script, caller(leaves=9.0)))
    assert [step.did for step in told.steps()] == ["could not go to CON-1", "waited 1 s"]
    assert [body["reason"] for body in told.bodies("reason")] == ["there is no named conversation CON-1"]
