"""CouchDB: against a real pouchdb-server, and against one that answers what a real one rarely does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.delivery.support import (
    RawRequest,
    State,
    answer,
    raw_server,
    read_request,
)
from tests.peers import require, running
from tests.ports import free_ports

BODY = bytes(range(256)) * 1500
DIGEST = "md5-" + base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()
NAME = "call_recording_call-1.wav"


@pytest.fixture(scope="module")
def couch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = require("pouchdb-server")
    port = free_ports(1)
    folder = tmp_path_factory.mktemp("pouchdb")
    with running([program, "--port", str(port), "--in-memory"], port, cwd=folder):
        yield f"http://127.0.0.1:{port}"


def get(url: str) -> Any:
    with urlopen(Request(url, headers={"Accept": "application/json"})) as response:
        return json.loads(response.read())


@pytest.mark.peer
def test_document_and_attachment(tmp_path: Path, couch: str) -> None:
    state = State.make(tmp_path)
    state.enqueue(couch, BODY, kind="couchdb", database="account/ab/cd")
    asyncio.run(state.deliver())
    state.database.close()
    document = get(f"{couch}/account%2Fab%2Fcd/rec-1")
    assert document["_id"] == "rec-1"
    assert document["pvt_type"] == "call_recording"
    assert document["call_id"] == "call-1"
    assert document["from"] == "1001@example.org"
    assert document["duration_ms"] == 2000
    assert document["content_type"] == "audio/wav"
    stub = document["_attachments"][NAME]
    assert (stub["content_type"], stub["length"], stub["digest"]) == ("audio/wav", len(BODY), DIGEST)
    with urlopen(f"{couch}/account%2Fab%2Fcd/rec-1/{NAME}") as response:
        assert response.read() == BODY


@pytest.mark.peer
def test_once_more_is_no_change(tmp_path: Path, couch: str) -> None:
    state = State.make(tmp_path)
    delivery = state.enqueue(couch, BODY, name="2", kind="couchdb", database="again")
    asyncio.run(state.deliver())
    before = get(f"{couch}/again/rec-2")
    from callflow.delivery import outbox

    state.database.run(lambda conn: outbox.retry(conn, delivery, 0.0))
    asyncio.run(state.deliver())
    assert state.row(delivery).state == "DELIVERED"
    state.database.close()
    assert get(f"{couch}/again/rec-2") == before


@pytest.mark.peer
def test_a_document_without_its_attachment_is_completed(tmp_path: Path, couch: str) -> None:
    for url, body in ((f"{couch}/half", b""), (f"{couch}/half/rec-3", b'{"_id": "rec-3", "kept": 1}')):
        urlopen(Request(url, body, {"Content-Type": "application/json"}, method="PUT")).close()
    state = State.make(tmp_path)
    state.enqueue(couch, BODY, name="3", kind="couchdb", database="half")
    asyncio.run(state.deliver())
    state.database.close()
    document = get(f"{couch}/half/rec-3")
    assert document["kept"] == 1
    assert document["_attachments"][NAME]["digest"] == DIGEST


class Couch:
    """Answers in order: (method and path that must be asked for, status line, JSON body)."""

    def __init__(self, *script: tuple[str, str, dict[str, Any]]) -> None:
        self.script = list(script)
        self.seen: list[RawRequest] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        self.seen.append(request)
        line, status, body = self.script.pop(0)
        assert request.line == f"{line} HTTP/1.1"
        await answer(writer, status, "Content-Type: application/json", body=json.dumps(body).encode())


def play(tmp_path: Path, couch: Couch, *, until: str = "delivered") -> tuple[State, str]:
    state = State.make(tmp_path)

    async def main() -> str:
        async with raw_server(couch.handle) as base:
            url = base.replace("://", "://user:pw@") + "/"
            delivery = state.enqueue(url, BODY, kind="couchdb", database="db")
            await state.deliver_until(lambda: until in state.changes(delivery))
            return delivery

    delivery = asyncio.run(main())
    state.database.close()
    assert couch.script == [], "every step was asked for"
    return state, delivery


MISSING = {"error": "not_found", "reason": "missing"}
HELD = {"_id": "rec-1", "_rev": "2-b", "_attachments": {NAME: {"length": len(BODY), "digest": DIGEST}}}


def test_a_conflict_after_a_success_whose_answer_was_lost(tmp_path: Path) -> None:
    couch = Couch(
        ("GET /db/rec-1", "404 Not Found", MISSING),
        ("PUT /db/rec-1", "201 Created", {"ok": True, "rev": "1-a"}),
        (f"PUT /db/rec-1/{NAME}?rev=1-a", "409 Conflict", {"error": "conflict"}),
        ("GET /db/rec-1", "200 OK", HELD),
    )
    play(tmp_path, couch)
    assert couch.seen[0].header("Authorization") == "Basic " + base64.b64encode(b"user:pw").decode()
    assert couch.seen[2].body == BODY


def test_a_conflict_with_another_file_is_sent_on_the_new_revision(tmp_path: Path) -> None:
    other = {"_id": "rec-1", "_rev": "2-b", "_attachments": {NAME: {"length": 3, "digest": "md5-zzz"}}}
    couch = Couch(
        ("GET /db/rec-1", "404 Not Found", MISSING),
        ("PUT /db/rec-1", "409 Conflict", {"error": "conflict"}),
        ("GET /db/rec-1", "200 OK", other),
        (f"PUT /db/rec-1/{NAME}?rev=2-b", "201 Created", {"ok": True}),
    )
    state, delivery = play(tmp_path, couch)
    assert state.changes(delivery) == ["sending", "delivered"]
    assert couch.seen[-1].body == BODY


def test_a_missing_database_is_made(tmp_path: Path) -> None:
    couch = Couch(
        ("GET /db/rec-1", "404 Not Found", {"error": "not_found", "reason": "no_db_file"}),
        ("PUT /db", "412 Precondition Failed", {"error": "file_exists"}),
        ("GET /db/rec-1", "404 Not Found", MISSING),
        ("PUT /db/rec-1", "201 Created", {"ok": True, "rev": "1-a"}),
        (f"PUT /db/rec-1/{NAME}?rev=1-a", "202 Accepted", {"ok": True}),
    )
    state, delivery = play(tmp_path, couch)
    assert state.changes(delivery) == ["sending", "delivered"]
    assert couch.seen[-1].body == BODY


def test_a_database_that_may_not_be_made(tmp_path: Path) -> None:
    couch = Couch(
        ("GET /db/rec-1", "404 Not Found", {"error": "not_found", "reason": "no_db_file"}),
        ("PUT /db", "401 Unauthorized", {"error": "unauthorized"}),
    )
    state, _ = play(tmp_path, couch, until="waiting")
    assert [event.status for event in state.events if event.change == "waiting"] == [401]


def test_conflicts_without_end_are_a_fault_for_later(tmp_path: Path) -> None:
    stale = {"_id": "rec-1", "_rev": "2-b"}
    conflict = (f"PUT /db/rec-1/{NAME}?rev=2-b", "409 Conflict", {"error": "conflict"})
    couch = Couch(*[step for _ in range(3) for step in (("GET /db/rec-1", "200 OK", stale), conflict)])
    state, _ = play(tmp_path, couch, until="waiting")
    (event,) = [event for event in state.events if event.change == "waiting"]
    assert event.next_attempt_in is not None
    assert event.next_attempt_in < 10
