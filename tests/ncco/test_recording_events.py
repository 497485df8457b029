"""The recording event: its body, its transaction, the wire, its signature; and the webhooks of the corpus."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from typer.testing import CliRunner

from callflow.cli import app_for
from callflow.clock import SystemClock
from callflow.delivery import outbox
from callflow.delivery.outbox import DeliveryState
from callflow.delivery.signing import sign, verify
from callflow.errors import BadSignature
from callflow.ncco import events
from callflow.ncco.answering import answer_body
from callflow.state.events import Message, body_bytes, message_row, read_message
from callflow.state.records import add_delivery, get_delivery
from tests.corpus.test_kazoo_corpus import CORPUS as KAZOO
from tests.delivery.support import State
from tests.modules.stage import caller, tone
from tests.ncco.recorded import APPLICATION, EVENTS, SECRET, Comes, one, take

CORPUS = KAZOO.parent / "ncco-webhooks"
NOW = 1_790_000_000.0
BODY: Mapping[str, Any] = {"recording_url": "http://127.0.0.1/v1/files/1", "size": 12, "who": "Zoë"}


# ---- the body, and when it is there --------------------------------------------------------------


def test_the_body_is_the_documented_one(tmp_path: Path) -> None:
    told = one(tmp_path, {"action": "record", "format": "wav"}, says=[tone(440, 2)], leaves=5.5)
    (body,) = told.bodies()
    row = told.row()
    assert body == {
        "start_time": "2026-09-21T14:13:20Z",
        "recording_url": f"http://127.0.0.1:8080/v1/files/{row.id}",
        "size": (tmp_path / row.file).stat().st_size,
        "recording_uuid": row.document["recording_uuid"],
        "end_time": "2026-09-21T14:13:25Z",
        "conversation_uuid": row.document["conversation_uuid"],
        "timestamp": "2026-09-21T14:13:25.500Z",
    }
    assert body["recording_uuid"] != row.id and body["conversation_uuid"].startswith("CON-")


def test_it_goes_to_its_own_url_by_its_own_method_or_to_the_applications(tmp_path: Path) -> None:
    script = {"action": "record", "timeOut": 3}
    (own,) = _of_recordings(
        one(tmp_path / "1", {**script, "eventUrl": "http://a.test/x", "eventMethod": "GET"})
    )
    assert (own.url, own.method, own.host) == ("http://a.test/x", "get", "a.test")
    (usual,) = _of_recordings(one(tmp_path / "2", script))
    assert (usual.url, usual.method, usual.recording_id != "") == (EVENTS, "post", True)
    nobody = take(
        tmp_path / "3", Comes([script], caller(leaves=9)), application=replace(APPLICATION, event=None)
    )
    assert (_of_recordings(nobody), len(nobody.rows)) == ([], 1)


def _of_recordings(told: Any) -> list[Any]:
    return [row for row in told.deliveries if row.recording_id]


def test_what_was_not_recorded_is_not_told(tmp_path: Path) -> None:
    told = one(tmp_path, {"action": "record", "beepStart": True}, leaves=0.1)
    assert told.bodies() == []


# ---- the outbox ----------------------------------------------------------------------------------


def _enqueue(state: State, message: Message, id: str = "evt-1") -> None:
    row = message_row(message, id=id, call_id="call-1", wall=state.clock.wall())
    state.database.run(lambda conn: add_delivery(conn, row))


def test_a_message_is_a_row_of_the_outbox_like_any_other(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    _enqueue(state, Message("http://h.test/x", "POST", BODY, "app", "key", SECRET))
    row = state.database.run(lambda conn: get_delivery(conn, "evt-1"))
    assert (row.kind, row.host, row.state, row.file, row.recording_id) == (
        "event",
        "h.test",
        "QUEUED",
        "",
        "",
    )
    assert read_message(row) == (Message("http://h.test/x", "POST", BODY, "app", "key", SECRET), "call-1")
    assert SECRET not in repr(row)
    taken = state.database.run(
        lambda conn: outbox.claim(
            conn, "me", state.clock.wall(), lease_s=60, limit=9, per_host=9, in_flight={}
        )
    )
    assert [parcel.recording.call_id for parcel in taken] == ["call-1"]
    again = state.database.run(lambda conn: outbox.release(conn, "me", state.clock.wall()))
    assert [each.id for each in again] == ["evt-1"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_wire_each_attempt_is_signed_anew(tmp_path: Path, method: str) -> None:
    seen = asyncio.run(_sent(tmp_path, Message("", method, BODY, "app", "key", SECRET), (503, 204)))
    assert len(seen) == 2
    tokens = []
    for line, headers, body in seen:
        verb, target, _ = line.split(" ")
        assert verb == method
        if method == "POST":
            assert (json.loads(body), headers["content-type"]) == (BODY, "application/json")
        else:
            query = parse_qs(urlsplit(target).query)
            assert (query["size"], query["who"], query["kept"], body) == (["12"], ["Zoë"], ["1"], b"")
        token = headers["authorization"].removeprefix("Bearer ")
        claims = verify(body, token, SECRET, now=SystemClock().wall())
        assert (claims["iss"], claims["api_key"], claims["application_id"]) == ("Vonage", "key", "app")
        assert claims["payload_hash"] == hashlib.sha256(body).hexdigest()
        tokens.append(claims["jti"])
    assert len(set(tokens)) == 2
    assert seen[0][1]["idempotency-key"] == seen[1][1]["idempotency-key"] == "evt-1"


def test_without_a_secret_nothing_is_signed(tmp_path: Path) -> None:
    [(_, headers, _)] = asyncio.run(_sent(tmp_path, Message("", "POST", BODY), (200,)))
    assert "authorization" not in headers


DUE = "UPDATE deliveries SET next_wall = 0 WHERE state = 'WAITING'"


async def _sent(
    path: Path, message: Message, answers: tuple[int, ...]
) -> list[tuple[str, dict[str, str], bytes]]:
    """What a server that answers so has seen; the message is delivered then, and due at once in between."""
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen.append((first, headers, body))
        answer = answers[min(len(seen), len(answers)) - 1]
        writer.write(f"HTTP/1.1 {answer} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    state = State.make(path)
    _enqueue(state, replace(message, url=f"http://127.0.0.1:{port}/hook?kept=1"))
    deliverer = state.deliverer()
    running = asyncio.ensure_future(deliverer.run(until_empty=True))
    async with asyncio.timeout(20):
        while not running.done():
            await asyncio.sleep(0.02)
            state.database.run(lambda conn: conn.execute(DUE))
            deliverer.wake()
    await deliverer.close()
    server.close()
    row = state.database.run(lambda conn: get_delivery(conn, "evt-1"))
    assert row.state == DeliveryState.DELIVERED
    state.database.close()
    return seen


def test_deliveries_lists_and_shows_messages_without_their_secret(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    _enqueue(state, Message("http://h.test/x", "POST", BODY, "app", "key", SECRET))
    state.database.close()
    for words in (["list"], ["list", "-o", "json"], ["show", "evt-1"], ["show", "evt-1", "-o", "json"]):
        said = CliRunner().invoke(app_for("deliveries"), ["deliveries", *words, "--state", str(tmp_path)])
        assert said.exit_code == 0, said.output
        assert SECRET not in said.output
        assert "evt-1" in said.output and "event" in said.output
        if words[0] == "show":
            assert "Zoë" in said.output


# ---- signatures ----------------------------------------------------------------------------------


def test_verify_says_what_is_wrong() -> None:
    body = body_bytes(BODY)
    token = sign(body, SECRET, jti="1", now=NOW, api_key="key", application_id="app")
    assert verify(body, f"Bearer {token}", SECRET, now=NOW + 100)["jti"] == "1"
    for change, why in (
        ({"secret": SECRET + "x"}, "not signed with this secret"),
        ({"body": body + b" "}, "not the one that was signed"),
        ({"now": NOW + 1000}, "1000 s old"),
        ({"now": NOW - 1000}, "from now"),
        ({"token": "nonsense"}, "no token"),
        ({"token": jwt.encode({"iat": NOW}, 2 * SECRET, algorithm="HS512")}, "HS256"),
        ({"token": jwt.encode({"payload_hash": ""}, SECRET)}, "when it was made"),
        ({"token": jwt.encode({"iat": NOW}, SECRET)}, "not the one that was signed"),
    ):
        given: dict[str, Any] = {"body": body, "token": token, "secret": SECRET, "now": NOW, **change}
        with pytest.raises(BadSignature, match=why):
            verify(given["body"], given["token"], given["secret"], now=given["now"])
    assert verify(body, token, SECRET, now=NOW + 1e6, max_age_s=0)["iat"] == NOW


def test_the_command_takes_a_file_or_stdin(tmp_path: Path) -> None:
    body, file = body_bytes(BODY), tmp_path / "body"
    file.write_bytes(body)
    token = sign(body, SECRET, jti="1", now=SystemClock().wall())
    run, app = CliRunner().invoke, app_for("verify")
    words = ["verify", str(file), "--token", token, "--secret", SECRET]
    assert run(app, words).exit_code == 0
    piped = run(app, ["verify", "-", "--token", token], input=body, env={"CALLFLOW_SIGNATURE_SECRET": SECRET})
    assert (piped.exit_code, "good" in piped.output) == (0, True)
    bad = run(app, [*words[:-1], "another", "-o", "json"])
    assert (bad.exit_code, json.loads(bad.output)["good"]) == (1, False)
    assert run(app, ["verify", str(tmp_path / "no"), "--token", token, "--secret", "x"]).exit_code == 2


# ---- the corpus ----------------------------------------------------------------------------------

_A_SESSION: Any = SimpleNamespace(
    call=SimpleNamespace(party=SimpleNamespace(from_number="1000", to_number="2000")),
    uuid="uuid",
    conversation_uuid="CON-1",
    endpoint="phone",
)
PARTY = events.Party("uuid", "CON-1", "1000", "2000", "inbound")
OURS: Mapping[str, list[events.Body]] = {
    "answer": [answer_body(_A_SESSION)],
    "event-started": [events.call_state(PARTY, "started", NOW)],
    "event-answered": [events.answered(PARTY, NOW)],
    "event-failed": [events.not_answered(PARTY, "NO_ROUTE_DESTINATION", 404, NOW)],
    "event-completed": [
        events.completed(PARTY, NOW, start=NOW, end=NOW + 2, by_platform=False, sip_code=200)
    ],
    "event-disconnected": [events.disconnected(PARTY, {"callerId": "1"}, NOW)],
    "input": [
        events.input_result(
            PARTY, NOW, dtmf={"digits": "12", "timed_out": False}, speech={"results": [], "error": "why"}
        ),
        events.input_result(PARTY, NOW, dtmf={"digits": None, "timed_out": True}, speech=None),
        events.legacy_input_result(PARTY, NOW, "12", True),
    ],
    "notify": [events.notification("CON-1", {"bar": "foo"}, NOW)],
    "transcription": [events.transcribed("uuid", "CON-1", "http://x.test/")],
}
NOT_SENT = {
    "from_user": "in place of from, for callers in an app",
    "custom_data": "what an app gives with its call",
    "headers": "of a websocket leg: ours go with its own events",
    "network": "a carrier's code, or null: ours is null",
    "detail": "a reason that belongs to failures, in a sample of another state",
    "timeout_reason": "only with speech that was heard",
    "results": "only with speech that was heard",
    "error": "only with speech that was not heard",
}
"""Keys of samples that ours may lack, and why."""


def _samples() -> list[Path]:
    """All but what is no webhook: ``call-info`` is what ``GET /v1/calls/UUID`` answers."""
    return [path for path in sorted(CORPUS.glob("*.json")) if not path.stem.startswith("call-info")]


@pytest.mark.parametrize("path", _samples(), ids=lambda path: path.stem)
def test_what_we_send_agrees_with_the_samples_in_keys_and_types(path: Path) -> None:
    kind = path.stem.rpartition("-")[0]
    sample = json.loads(path.read_text("utf-8"))
    problems = [_disagreements(sample, ours) for ours in OURS[kind]]
    assert [] in problems, problems


def _disagreements(sample: Mapping[str, Any], ours: Mapping[str, Any], at: str = "") -> list[str]:
    """Keys that a sample has and ours lacks, and values of another type (null agrees with everything)."""
    found = []
    for key, value in sample.items():
        if key not in ours:
            if key not in NOT_SENT:
                found.append(f"{at}{key} is missing")
            continue
        mine = ours[key]
        if isinstance(value, Mapping) and isinstance(mine, Mapping):
            if key not in ("payload", "headers"):
                found += _disagreements(value, mine, f"{at}{key}.")
        elif None not in (value, mine) and type(value) is not type(mine):
            found.append(f"{at}{key} is {type(mine).__name__}, not {type(value).__name__}")
    return found


def test_the_samples_are_there_where_they_must_be() -> None:
    if not _samples():
        pytest.skip("no corpus beside this checkout")
    assert len(_samples()) == 21
