"""Layer 2: webhooks of an account: what is told, when, in which form; whole calls in virtual time."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from callflow.channels.sim.scenario import Scenario
from callflow.delivery.outbox import DeliveryState
from callflow.delivery.standard_webhooks import Check
from callflow.documents.accounts import Account
from callflow.documents.check import check_paths
from callflow.documents.check_data import Surroundings
from callflow.documents.settings import load_settings
from callflow.engine.report import CallReport
from callflow.recording.finish import Finisher
from callflow.recording.recover import recover
from callflow.state import hooks
from callflow.state.account_documents import put_account
from callflow.state.database import Database
from callflow.state.events import read_message
from callflow.state.folder import StateFolder
from callflow.state.records import DeliveryRow, list_deliveries
from tests.app.test_engine import abandoned
from tests.delivery.support import State
from tests.modules.stage import Stage, answers, caller, node, tone

SECRET = "whsec_" + "A" * 32
URI = "http://crm.example.com/hook"
JSON = {"uri": URI, "format": "json"}


def told(state: Path, webhook: str = "") -> list[dict[str, Any]]:
    """The bodies in the outbox, in the order in which they were put there."""
    database = Database.open(StateFolder.open(state).database)
    rows = [row for row in database.run(list_deliveries) if row.hook and webhook in ("", row.hook)]
    database.close()
    return [dict(read_message(row)[0].body) for row in sorted(rows, key=lambda row: row.created_wall)]


def stage(state: Path, **webhooks: Mapping[str, Any]) -> Stage:
    made = Stage(state, Account.empty("acc"))
    for id, document in webhooks.items():
        made.has("webhook", id, document)
    return made


def test_a_call_and_its_recording_are_told(tmp_path: Path) -> None:
    calls = stage(
        tmp_path,
        everything={**JSON, "hook": "*", "custom_data": {"tenant": "sales", "hook_event": "mine"}},
        recordings={**JSON, "hook": "recording"},
        ends={**JSON, "hook": "channel_destroy"},
        off={**JSON, "hook": "*", "enabled": False},
    )
    flow = node("record_call", {"format": "wav"}, then=node("user", {"id": "u"}))
    talk = Scenario(
        caller=caller(says=[tone(440, 3)], leaves=4),
        callee=answers(1),
        from_number="+1555",
    )
    ran = calls.run(flow, talk)
    row = ran.row()
    everything = told(tmp_path, "everything")
    assert {body["hook_event"] for body in everything} == {"mine"}, "custom data lies over all"
    assert [body["tenant"] for body in everything] == ["sales"] * len(everything)
    kinds = [
        body.get("action") or next((key for key in ("hangup_cause", "other_leg_call_id") if key in body), "")
        for body in everything
    ]
    kinds.remove("finished")  # by a thread of its own: it may come before the end of the call is told
    assert kinds == ["", "started", "", "other_leg_call_id", "hangup_cause"]
    (end,) = told(tmp_path, "ends")
    assert (end["hook_event"], end["call_id"], end["from"], end["account_id"], end["webhook_id"]) == (
        "channel_destroy",
        ran.report.call_id,
        "+1555",
        "acc",
        "ends",
    )
    assert (end["hangup_cause"], end["duration_seconds"]) == ("NORMAL_CLEARING", 4)
    finished, began = sorted(told(tmp_path, "recordings"), key=lambda body: str(body["action"]))
    assert (began["action"], began["state"], began["recording_id"]) == ("started", "RECORDING", row.id)
    facts = {
        "action": "finished",
        "state": "READY",
        "bytes": row.bytes,
        "sha256": row.sha256,
        "duration_ms": 4000,
    }
    assert {key: finished[key] for key in facts} == facts
    assert not told(tmp_path, "off")


def test_pauses_and_masks_and_what_is_too_short(tmp_path: Path) -> None:
    calls = stage(tmp_path, all={**JSON, "hook": "recording"})
    actions = ["start", "pause", "resume", "pause", "resume", "mask", "unmask", "stop"]
    flow: dict[str, Any] = node("sleep", {"duration": 1})
    for action in reversed(actions):
        flow = node("record_call", {"action": action}, then=flow)
    calls.set(media__record_min_sec=5)
    calls.run(flow, Scenario(caller=caller(leaves=3)))
    bodies = told(tmp_path)
    (end,) = [body for body in bodies if body["action"] == "discarded"]  # told by another thread
    assert end["reason"] == "too_short"
    assert [body["action"] for body in bodies if body is not end] == [
        "started", "paused", "resumed", "paused", "resumed", "masked", "unmasked",
    ]  # fmt: skip


def test_what_is_recovered_is_told_by_a_process_that_knows_no_account(tmp_path: Path) -> None:
    spec = abandoned(tmp_path)
    folder = StateFolder.open(tmp_path)
    database = Database.open(folder.database)
    webhook = {**JSON, "hook": "recording"}
    database.run(lambda conn: put_account(conn, spec.account_id, {}, {"w": webhook}))
    for _ in range(2):
        recover(folder, Finisher(folder, database))
    database.close()
    (body,) = told(tmp_path)
    assert (body["action"], body["recording_id"], body["recovered"]) == ("finished", spec.id, True)
    assert (body["call_id"], body["duration_ms"]) == ("lost", 500)


def enqueued(state: State, document: Mapping[str, Any]) -> list[DeliveryRow]:
    """The account ``acc`` has one webhook ``w``, and a recording of it is finished; the messages of ``w``."""
    state.database.run(lambda conn: put_account(conn, "acc", {}, {"w": {"hook": "*", **document}}))
    state.database.run(lambda conn: hooks.announce(conn, "acc", "recording", {"n": {"x": 1}}, fact="f"))
    return [row for row in state.database.run(list_deliveries) if row.hook == "w"]


async def server(answer: int) -> tuple[web.AppRunner, str, list[tuple[str, str, str, bytes, dict[str, str]]]]:
    seen: list[tuple[str, str, str, bytes, dict[str, str]]] = []

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen.append((request.method, request.query_string, request.content_type, body, headers))
        return web.Response(status=answer)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/hook", seen


@pytest.mark.parametrize("verb", ["get", "post", "put"])
@pytest.mark.parametrize("form", ["json", "form-data"])
def test_on_the_wire(tmp_path: Path, verb: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_SECRET", SECRET)
    state = State.make(tmp_path)

    async def main() -> None:
        runner, url, seen = await server(200)
        document = {"uri": url, "http_verb": verb, "format": form, "secrets": ["secret:env:CRM_SECRET"]}
        (row,) = enqueued(state, document)
        await state.deliver()
        await runner.cleanup()
        ((method, query, kind, body, headers),) = seen
        assert method == verb.upper()
        said = query if verb == "get" else body.decode()
        if form == "json" and verb != "get":
            assert kind == "application/json" and json.loads(said)["n"] == {"x": 1}
        else:
            assert parse_qs(said)["n"] == ['{"x":1}'] and parse_qs(said)["webhook_id"] == ["w"]
        check = Check(headers, [SECRET], state.clock.wall())
        check.update(body)
        check.end()
        assert check.id == row.id == headers["idempotency-key"]
        assert SECRET not in state.row(row.id).message

    asyncio.run(main())
    state.database.close()
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_retries_are_as_many_as_the_document_says(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def main() -> None:
        runner, url, seen = await server(500)
        (row,) = enqueued(state, {"uri": url, "retries": 0})
        await state.deliver()
        await runner.cleanup()
        assert len(seen) == 1
        assert state.row(row.id).state == DeliveryState.DEAD

    asyncio.run(main())
    state.database.close()


def test_a_fact_is_told_once_and_a_webhook_may_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State.make(tmp_path)
    assert len(enqueued(state, {"uri": URI})) == 1
    assert len(enqueued(state, {"uri": URI})) == 1, "the same fact, written down twice"
    monkeypatch.setattr(hooks, "MOST_WAITING", 2)

    def more(conn: sqlite3.Connection) -> list[int]:
        return [len(hooks.announce(conn, "acc", "recording", {}, fact=str(n))) for n in range(3)]

    assert state.database.run(more) == [1, 0, 0]
    state.database.close()


def test_a_file_that_is_delivered_or_is_not(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def main() -> None:
        runner, url, _ = await server(200)
        gone, dead, _ = await server(410)
        state.database.run(
            lambda conn: put_account(conn, "acc", {}, {"w": {"hook": "recording", "uri": "http://10.0.0.1/"}})
        )
        state.enqueue(url, name="good")
        state.enqueue(dead, name="bad")
        await state.deliver()
        await runner.cleanup()
        await gone.cleanup()

    asyncio.run(main())
    state.database.close()
    bodies = {body["recording_id"]: body for body in told(tmp_path)}
    assert (bodies["rec-good"]["action"], bodies["rec-good"]["status"]) == ("delivered", 200)
    bad = bodies["rec-bad"]
    assert (bad["action"], bad["delivery_state"], bad["status"], bad["attempts"]) == (
        "undelivered",
        "DEAD",
        410,
        1,
    )


def test_secrets_in_the_document_itself_are_kept_nowhere(tmp_path: Path) -> None:
    calls = stage(tmp_path, w={**JSON, "hook": "*", "secrets": [SECRET]})
    calls.account = replace(
        calls.account,
        document={"delivery": {"hosts": {"*": {"bearer": "hush-hush", "headers": {"X-Token": "hush-hush"}}}}},
    )
    report: CallReport = calls.run(node("sleep", {"duration": 1}), Scenario(caller=caller(leaves=0.5))).report
    assert len(report.messages) == 2
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET.encode() not in written and b"hush-hush" not in written


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    account = tmp_path / "accounts" / "acc"
    (account / "webhooks").mkdir(parents=True)
    (account / "account.json").write_text(
        json.dumps(
            {"delivery": {"hosts": {"a b": {"headers": {"X-Token": "hush", "Host": "x"}, "bearer": "hush"}}}}
        )
    )
    webhook = {"uri": "ftp://x", "hook": "chanel_create", "secrets": ["hush"], "include_subaccounts": True}
    (account / "webhooks" / "w.json").write_text(json.dumps(webhook))
    found = check_paths([account], Surroundings(load_settings()))
    said = "\n".join(f"{problem.file} {problem.message}" for problem in found)
    assert "hush" not in said
    for words in (
        "chanel_create",
        "no host",
        "X-Token looks like a secret",
        "Host is made",
        "does not match",
    ):
        assert words in said
