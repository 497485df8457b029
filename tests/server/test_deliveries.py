"""Deliveries over HTTP: lists, attempts, sending again, cancelling; by account."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from aiohttp import web

from callflow.delivery.outbox import DeliveryState
from callflow.events import DeliveryChanged
from callflow.state.delivery_list import DeliveryFilter, DeliveryKey, deliveries_query
from callflow.state.events import Message, message_row
from callflow.state.records import AttemptRow, add_attempt, add_delivery
from tests.server.library import WAV, keep
from tests.server.stage import Answer, Stage, on_stage

BASE = "/v2/accounts/acme/deliveries"
DEAF = "http://user:secret@127.0.0.1:9/in?token=abc"


def _ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [each["id"] for each in answer.json["data"]]


def _set(stage: Stage, delivery_id: str, state: DeliveryState) -> None:
    stage.parts.database.run(
        lambda conn: conn.execute(
            "UPDATE deliveries SET state = ?, next_wall = 4e9 WHERE id = ?", (state, delivery_id)
        )
    )


def test_lists_and_history(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        for number in range(5):
            keep(stage, f"r{number}", minutes=number, url=DEAF)
        keep(stage, "elsewhere", account_id="other", url=DEAF)
        keep(stage, "there", minutes=-1, url="http://192.0.2.1/x")
        _set(stage, "d-r1", DeliveryState.DEAD)
        _set(stage, "d-r2", DeliveryState.BLOCKED)
        database = stage.parts.database
        said = Message("http://192.0.2.2/hook", body={"n": 1}, secret="hidden")
        told = message_row(said, id="e1", call_id="c", wall=1.0, recording_id="r0")
        database.run(lambda conn: add_delivery(conn, told))
        database.run(
            lambda conn: add_attempt(
                conn,
                AttemptRow(
                    delivery_id="d-r1",
                    number=1,
                    started_wall=2.0,
                    seconds=0.5,
                    outcome="refused",
                    status=404,
                    error="the receiver answered 404",
                    answer=b"no\xff",
                ),
            )
        )
        latest = ["d-r4", "d-r3", "d-r2", "d-r1", "d-r0", "d-there", "e1"]
        assert _ids(await stage.get(BASE)) == latest
        first = await stage.get(f"{BASE}?page_size=3")
        second = await stage.get(f"{BASE}?page_size=4&start_key={first.json['next_start_key']}")
        assert _ids(first) + _ids(second) == latest and "next_start_key" not in second.json
        for query, expected in (
            ("state=DEAD", ["d-r1"]),
            ("state=DEAD,BLOCKED", ["d-r2", "d-r1"]),
            ("host=192.0.2.1", ["d-there"]),
            ("host=127.0.0.1:9&state=QUEUED", ["d-r4", "d-r3", "d-r0"]),
            ("kind=event", ["e1"]),
            ("recording_id=r0", ["d-r0", "e1"]),
            ("recording_id=elsewhere", []),
            ("created_from=2025-11-20T10:03:00Z", ["d-r4", "d-r3"]),
            ("created_to=2025-11-20T09:59:30Z", ["d-there", "e1"]),
        ):
            assert _ids(await stage.get(f"{BASE}?{query}")) == expected, query
        for wrong in ("state=GONE", "page_size=1001", "start_key=x", "hosts=1", "created_to=x"):
            assert (await stage.get(f"{BASE}?{wrong}")).status == 400

        one = (await stage.get(f"{BASE}/d-r1")).json["data"]
        assert one["history"][0]["status"] == 404 and one["history"][0]["answer"] == "no\ufffd"
        assert one["url"] == "http://***@127.0.0.1:9/in?token=***"
        event = await stage.get(f"{BASE}/e1")
        assert event.json["data"]["body"] == {"n": 1} and b"hidden" not in event.body
        document = (await stage.get("/v2/accounts/acme/recordings/r0")).json["data"]
        assert [each["id"] for each in document["deliveries"]] == ["d-r0"]
        assert [each["id"] for each in document["events"]] == ["e1"]

        await _others(stage)

    on_stage(tmp_path, main)


async def _others(stage: Stage) -> None:
    reader = stage.token_for("acme", "deliveries:read")
    assert _ids(await stage.get("/v2/accounts/other/deliveries")) == ["d-elsewhere"]
    for path in ("d-elsewhere", "nothing"):
        assert (await stage.get(f"{BASE}/{path}", token=reader)).status == 404
        assert (await stage.ask("POST", f"{BASE}/{path}/cancel")).status == 404
    assert (await stage.get("/v2/accounts/other/deliveries", token=reader)).status == 404
    assert (await stage.ask("POST", f"{BASE}/d-r1/retry", token=reader)).status == 403
    assert (await stage.ask("POST", f"{BASE}/retry", data={}, token=reader)).status == 403


def test_what_was_cancelled_is_sent_again_and_arrives(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        got: dict[str, bytes] = {}

        async def take(request: web.Request) -> web.Response:
            got[request.path] = await request.read()
            return web.Response(status=201)

        app = web.Application()
        app.router.add_put("/{name}", take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        changes: list[tuple[str, str]] = []
        delivered = asyncio.Event()

        def hear(event: object) -> None:
            if isinstance(event, DeliveryChanged):
                changes.append((event.delivery_id, event.change))
                if len([1 for _, change in changes if change == "delivered"]) == 4:
                    delivered.set()

        stage.parts.bus.subscribe(hear)
        for number in range(4):
            keep(stage, f"r{number}", url=f"{base}/r{number}.wav")
        keep(stage, "r9", account_id="other", url=f"{base}/r9.wav")
        _set(stage, "d-r9", DeliveryState.DEAD)
        cancelled = await stage.ask("POST", f"{BASE}/d-r0/cancel")
        assert cancelled.json["data"]["state"] == "CANCELLED"
        again = await stage.ask("POST", f"{BASE}/d-r0/cancel")
        assert again.status == 409 and "retry" in again.json["data"]["cause"]
        assert (await stage.ask("POST", f"{BASE}/d-r0/retry")).json["data"]["state"] == "QUEUED"
        for number in (1, 2, 3):
            _set(stage, f"d-r{number}", DeliveryState.DEAD)
        some = await stage.ask("POST", f"{BASE}/retry", data={"recording_id": "r3"})
        assert some.json["data"] == {"count": 1, "ids": ["d-r3"]}
        rest = await stage.ask("POST", f"{BASE}/retry", data={"state": "DEAD", "host": base[7:]})
        assert sorted(rest.json["data"]["ids"]) == ["d-r1", "d-r2"]  # not the other account's
        assert (await stage.ask("POST", f"{BASE}/retry", data={"hosts": "x"})).status == 400
        await asyncio.wait_for(delivered.wait(), 20)
        assert got == {f"/r{number}.wav": WAV for number in range(4)}
        assert changes[:2] == [("d-r0", "cancelled"), ("d-r0", "queued")]
        one = (await stage.get(f"{BASE}/d-r3")).json["data"]
        assert one["state"] == "DELIVERED" and one["history"][0]["status"] == 201
        await runner.cleanup()

    on_stage(tmp_path, main)


def test_no_page_of_deliveries_is_found_by_looking_through_everything(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        for more, index in (
            ({}, "deliveries_account"),
            ({"states": ("DEAD",)}, "deliveries_account_state"),
            ({"states": ("DEAD", "WAITING")}, "deliveries_account"),
            ({"host": "h", "states": ("DEAD",)}, "deliveries_account_host"),
            ({"recording_id": "r"}, "deliveries_recording"),
            ({"created_from": 1.0}, "deliveries_account"),
        ):
            wanted = DeliveryFilter(account_id="acme", **more)
            text, values = deliveries_query(wanted, size=50, start=DeliveryKey(5.0, "d"))
            plan = stage.parts.database.run(
                lambda conn: [
                    line[3]
                    for line in conn.execute(f"EXPLAIN QUERY PLAN {text}", values)  # noqa: B023
                ]
            )
            assert re.match(rf"SEARCH deliveries USING INDEX {index} \(", plan[0]), plan

    on_stage(tmp_path, main)
