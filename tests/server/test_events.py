"""Layer 6: the live stream: what is told, to whom, from where on, and for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from callflow.events import (
    CallEnded,
    CallStarted,
    DeliveryChanged,
    DigitPressed,
    RecordingChanged,
    TranscriptChanged,
)
from callflow.server import feed
from callflow.server.v2 import events
from callflow.state.records import RecordingRow, begin_recording
from tests.server.stage import Stage, on_stage

PATH = "/v2/accounts/acme/events"
SECONDS = 10


@asynccontextmanager
async def listening(
    stage: Stage, query: str = "", *, last: str = "", token: str = ""
) -> AsyncIterator[aiohttp.ClientResponse]:
    headers = {"X-Auth-Token": token or stage.token, **({"Last-Event-ID": last} if last else {})}
    async with stage.http.get(f"{stage.url}{PATH}{query}", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield response


async def block(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The next block of the stream: its fields, comments under an empty name; {} at the end."""
    found: dict[str, str] = {}
    async with asyncio.timeout(SECONDS):
        while line := (await response.content.readline()).decode():
            if line == "\n":
                return found
            name, _, value = line.rstrip("\n").partition(": ")
            found[name.strip(":")] = value
    return found


async def told(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """The data of the next events; comments are passed over."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        fields = await block(response)
        assert fields, "the stream has ended"
        if "data" in fields:
            data: dict[str, Any] = json.loads(fields["data"])
            found.append({"": fields.get("event"), "id": fields["id"], **data})
    return found


def begin(stage: Stage, call_id: str, account_id: str = "acme") -> None:
    stage.parts.bus.publish(
        CallStarted(time=1.0, call_id=call_id, from_number="1", to_number="2", account_id=account_id)
    )


def end(stage: Stage, call_id: str) -> None:
    stage.parts.bus.publish(
        CallEnded(time=2.0, call_id=call_id, cause="NORMAL_CLEARING", by="caller", duration=1)
    )


def recording(stage: Stage, id: str, change: str, account_id: str = "acme") -> None:
    """A recording's change, which is written down after it is told of on the bus."""
    stage.parts.bus.publish(
        RecordingChanged(time=1.5, call_id="c1", recording_id=id, change=change, state="RECORDING")
    )
    row = RecordingRow(id=id, call_id="c1", account_id=account_id)
    if change == "started":
        stage.parts.database.submit(lambda conn: begin_recording(conn, row))


def test_what_happens_is_told_to_its_account(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        async with (
            listening(stage) as mine,
            listening(stage, "?type=recording,call.ended&call_id=c1") as some,
        ):
            for response in (mine, some):
                assert (await block(response))[""] == "from now on"
            begin(stage, "c1")
            begin(stage, "foreign", "other")
            stage.parts.bus.publish(DigitPressed(time=1.2, call_id="c1", leg="c1", digit="4"))
            recording(stage, "r1", "started")
            recording(stage, "r2", "started", "other")
            begin(stage, "c2")
            end(stage, "c2")
            end(stage, "c1")
            seen = await told(mine, 5)
            assert [(one[""], one["call_id"]) for one in seen] == [
                ("call.started", "c1"),
                ("recording.started", "c1"),
                ("call.started", "c2"),
                ("call.ended", "c2"),
                ("call.ended", "c1"),
            ]
            assert {one["account_id"] for one in seen} == {"acme"}
            assert seen[1]["recording_id"] == "r1" and seen[1]["event"] == "recording"
            assert [one[""] for one in await told(some, 2)] == ["recording.started", "call.ended"]
            unknown = DeliveryChanged(
                time=1, delivery_id="gone", recording_id="", change="dead", method="PUT", url="http://x/"
            )
            stage.parts.bus.publish(unknown)
            for id, change in (("r1", "transcribed"), ("r2", "transcribed"), ("r1", "failed")):
                event = TranscriptChanged(time=2.0, call_id="c1", recording_id=id, change=change)
                stage.parts.bus.publish(event)
            spoken = [(one[""], one["recording_id"]) for one in await told(mine, 2)]
            assert spoken == [("transcript.transcribed", "r1"), ("transcript.failed", "r1")]
            begin(stage, "c3")
            assert (await told(mine, 1))[0]["call_id"] == "c3", "what belongs to nobody is told to nobody"

    on_stage(tmp_path, main)


def test_who_comes_back_gets_what_was_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed.Ring.__init__, "__defaults__", (4, 10_000))

    async def main(stage: Stage) -> None:
        async with listening(stage) as response:
            start = (await block(response))["id"]
            begin(stage, "c1")
            first = (await told(response, 1))[0]["id"]
        for name in ("c2", "c3"):
            begin(stage, name)
        begin(stage, "x", "other")
        async with listening(stage, last=first) as response:
            assert [one["call_id"] for one in await told(response, 2)] == ["c2", "c3"]
            begin(stage, "c4")
            assert [one["call_id"] for one in await told(response, 1)] == ["c4"]
        async with listening(stage, f"?last_event_id={start}") as response:
            (missed,) = await told(response, 1)
            assert missed[""] == "missed", "it is not kept any more"
        async with listening(stage, last=missed["id"]) as response:
            begin(stage, "c5")
            assert [one["call_id"] for one in await told(response, 1)] == ["c5"]
        for strange in ("nonsense", "00000000-1", first.replace("-", "-9999")):
            async with listening(stage, last=strange) as response:
                assert (await told(response, 1))[0][""] == "missed"

    on_stage(tmp_path, main)


def test_heartbeats_slow_readers_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEAT_S", 0.05)
    monkeypatch.setattr(events, "MOST_WAITING", 3)

    async def main(stage: Stage) -> None:
        token = stage.token_for("acme", "events:read")
        async with listening(stage, token=token) as response, listening(stage) as lasting:
            assert (await block(response))[""] == "from now on"
            assert (await block(response))[""] == "still here"
            for number in range(6):  # at once: none can be sent between
                begin(stage, f"c{number}")
            await told(response, 3)
            assert (await block(response))[""].startswith("dropped")
            assert not await block(response)
            await block(lasting)
            stage.parts.closing.set()
            while await block(lasting):
                pass

    on_stage(tmp_path, main)


def test_a_revoked_token_ends_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEAT_S", 0.05)
    monkeypatch.setattr("callflow.server.tokens.KEPT_S", 0.0)

    async def main(stage: Stage) -> None:
        token = stage.token_for("acme", "events:read")
        async with listening(stage, f"?auth_token={token}", token=token) as response:
            await block(response)
            stage.parts.database.run(lambda conn: conn.execute("DELETE FROM tokens"))
            seen = []
            while fields := await block(response):
                seen.append(fields[""])
            assert seen[-1] == "the token is not good any more"

    on_stage(tmp_path, main)


def test_who_may_not_and_what_is_asked_wrongly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        assert (await stage.get(PATH, token="")).status == 401
        assert (await stage.get(PATH, token=stage.token_for("acme", "recordings:read"))).status == 403
        assert (await stage.get(PATH, token=stage.token_for("other", "*"))).status == 404
        assert (await stage.get(f"{PATH}?type=call,nothing")).status == 400
        assert (await stage.get(f"{PATH}?for_s=-1")).status == 400
        assert (await stage.get(PATH, headers={"Accept": "application/json"})).status == 406
        ended = await stage.get(f"{PATH}?for_s=0.05&type=step")
        assert (ended.status, ended.body.decode().partition("\n")[0]) == (200, "retry: 2000")
        async with listening(stage):
            monkeypatch.setattr(events, "MOST_OF_ACCOUNT", 1)
            assert (await stage.get(PATH)).status == 429
            other = PATH.replace("acme", "other")
            assert (await stage.get(f"{other}?for_s=0.01")).status == 200, "others still hear something"
        monkeypatch.setattr(events, "MOST_LISTENERS", 0)
        assert (await stage.get(PATH)).status == 503

    on_stage(tmp_path, main)
