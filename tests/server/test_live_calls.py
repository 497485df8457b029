"""A real call by a callflow that was made over HTTP: seen, recorded, masked and hung up from outside."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import soundfile

from callflow.caller import CallPlan
from tests.app.harness import tone
from tests.modules.stage import node
from tests.serve.accounts import RECORD, account
from tests.serve.server import phone
from tests.server.stage import Answer, Stage, on_stage

HERE = "/v2/accounts/acme"
FLOW = node("answer", then=node("wait_for_hangup"))
WINDOW_S = 0.05


async def until(stage: Stage, path: str, met: Any, **more: Any) -> Answer:
    """Ask until ``met`` is true of the answer's data."""
    for _ in range(200):
        answer = await stage.get(path, **more)
        if answer.status == 200 and met(answer.json["data"]):
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"{path}: {answer.body!r}")


def loud(path: Path, channel: int) -> list[tuple[bool, float]]:
    """What is heard on a channel: whether it is loud, and for how many seconds, one after the other."""
    samples, rate = soundfile.read(path, always_2d=True)
    size = round(WINDOW_S * rate)
    column = samples[: len(samples) // size * size, channel].reshape(-1, size)
    found: list[tuple[bool, float]] = []
    for level in np.abs(column).mean(axis=1) > 0.02:
        if found and found[-1][0] == bool(level):
            found[-1] = (bool(level), found[-1][1] + WINDOW_S)
        else:
            found.append((bool(level), WINDOW_S))
    return found


def test_a_call_is_seen_recorded_masked_and_hung_up_over_http(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        made = await stage.ask("PUT", f"{HERE}/callflows", data={"numbers": ["200"], "flow": FLOW})
        flow_id = made.json["data"]["id"]
        (uri,) = stage.exchange.uris[:1]
        async with phone("alice") as alice:
            number = f"sip:200@acme.example.com:{uri.rpartition(':')[2]};maddr=127.0.0.1"
            plan = CallPlan(number, audio=(tone(440, 60),), keep_s=0)
            talk = asyncio.ensure_future(alice.call(plan))
            listed = await until(
                stage, f"{HERE}/calls", lambda rows: [r["module"] for r in rows] == ["wait_for_hangup"]
            )
            (seen,) = listed.json["data"]
            assert (seen["to"], seen["flow_id"], seen["answered"], seen["path"]) == (
                "200",
                flow_id,
                True,
                "/children/_",
            )
            call = f"{HERE}/calls/{quote(seen['id'], safe='')}"
            await recorded(stage, call)
            await shown(stage, call, flow_id)
            await refused(stage, call)
            channel = f"{HERE}/channels/{quote(seen['id'], safe='')}"
            await channelled(stage, channel)
            done = await stage.ask("POST", channel, data={"action": "hangup"})
            assert done.json["data"]["did"] == ["hung up"], done.body
            result = await asyncio.wait_for(talk, 5)
            assert (result.answered, result.ended_by != "caller") == (True, True)
        await over(stage, call)

    async def recorded(stage: Stage, call: str) -> None:
        started = await stage.ask("PUT", f"{call}/recordings", data={"format": "wav", "label": "asked"})
        (row,) = started.json["data"]
        assert (started.status, row["state"], row["origin"]) == (201, "RECORDING", "api : asked")
        one = f"{call}/recordings/{row['id']}"
        await asyncio.sleep(0.4)
        masked = await stage.ask("POST", one, data={"action": "mask"})
        assert [each["state"] for each in masked.json["data"]] == ["MASKED"]
        again = await stage.ask("POST", one, data={"action": "mask"})
        assert again.status == 409, "it is masked already"
        everything = {"action": "mask", "media_name": "all"}
        assert (await stage.ask("POST", f"{call}/recordings", data=everything)).json["data"][0]["id"] == row[
            "id"
        ]
        await asyncio.sleep(0.4)
        assert (await stage.ask("POST", one, data={"action": "unmask"})).json["data"][0][
            "state"
        ] == "RECORDING"
        await asyncio.sleep(0.3)
        stopped = await stage.ask("POST", f"{call}/recordings", data={"action": "stop", "label": "asked"})
        assert stopped.json["data"][0]["over"]
        listed = await until(stage, f"{call}/recordings", lambda rows: rows[0]["state"] == "READY")
        changes = [each["change"] for each in listed.json["data"][0]["changes"]]
        assert changes == ["started", "masked", "unmasked", "finishing", "ready"]
        (file,) = (tmp_path / "state").rglob(f"*{row['id']}*.wav")
        parts = loud(file, 0)
        if not parts[0][0]:  # the phone begins to speak a moment after its call is answered
            parts = [(True, parts[0][1] + parts[1][1]), *parts[2:]]
        times = [each["at"] for each in listed.json["data"][0]["changes"][:4]]
        lasted = [after - before for before, after in pairwise(times)]
        assert [each for each, _ in parts] == [True, False, True]
        assert all(abs(heard - told) < 0.15 for (_, heard), told in zip(parts, lasted, strict=True)), parts

    async def shown(stage: Stage, call: str, flow_id: str) -> None:
        whole = (await stage.get(call)).json["data"]
        assert [(step["path"], step["module"], step["next"]) for step in whole["steps"]] == [
            ("", "answer", "_"), ("/children/_", "wait_for_hangup", None),
        ]  # fmt: skip
        assert whole["steps"][0]["flow_id"] == flow_id and whole["steps"][1]["seconds"] is None
        (leg,) = whole["legs"]
        assert (leg["device_id"], leg["direction"], leg["doing"]) == ("alice", "inbound", "alone")
        picture = (await stage.get(f"{call}/draw")).body.decode()
        assert picture.count('"box walked now"') == 1 and picture.count('"box walked"') == 1
        (channel,) = (await stage.get(f"{HERE}/channels")).json["data"]
        assert (channel["authorizing_id"], channel["authorizing_type"], channel["destination"]) == (
            "alice",
            "device",
            "200",
        )
        assert channel["username"] == "alice" and channel["timestamp"] > 63_900_000_000

    async def refused(stage: Stage, call: str) -> None:
        """What does not fit, and who may not."""
        assert (await stage.ask("POST", f"{call}/recordings", data={"action": "mask"})).status == 409
        assert (await stage.ask("POST", f"{call}/recordings", data={"action": "msk"})).status == 400
        assert (await stage.ask("PUT", f"{call}/recordings", data={"action": "stop"})).status == 400
        assert (await stage.ask("POST", f"{call}/recordings/none", data={"action": "stop"})).status == 404
        assert (await stage.ask("DELETE", f"{call}?cause=NONE")).status == 400
        for path in (call, f"{call}/draw", f"{call}/recordings"):
            assert (await stage.get(path, token=stage.token_for("other"))).status == 404
            assert (await stage.get(path.replace("acme", "other"))).status == 404
        reader = stage.token_for("acme", "calls:read")
        assert (await stage.ask("DELETE", call, token=reader)).status == 403
        assert (await stage.ask("PUT", f"{call}/recordings", data={}, token=reader)).status == 403
        assert (await stage.get(f"{HERE}/calls", token=reader)).json["page_size"] == 1
        assert (await stage.get("/v2/accounts/other/calls")).json["data"] == []

    async def channelled(stage: Stage, channel: str) -> None:
        """Kazoo's way: actions of a channel, and metaflows."""
        started = await stage.ask("PUT", channel, data={"action": "start_record", "format": "wav"})
        assert (started.json["data"][0]["state"], started.json["data"][0]["origin"]) == (
            "RECORDING",
            "api : test",
        )
        mask = {"module": "record_call", "data": {"action": "mask"}}
        masked = await stage.ask("PUT", channel, data={"action": "metaflow", "data": mask})
        assert masked.json["data"]["did"] == [f"masked recording {started.json['data'][0]['id']}"]
        assert (await stage.ask("POST", channel, data={"action": "stop_record"})).json["data"][0]["over"]
        nobody = await stage.ask("POST", channel, data={"action": "transfer", "target": "300"})
        assert (nobody.status, "nobody" in nobody.json["data"]["message"]) == (409, True)
        wrong = await stage.ask(
            "POST", channel, data={"action": "metaflow", "data": {"module": "menu", "data": {}}}
        )
        assert (wrong.status, next(iter(wrong.json["data"]))) == (400, "data.module")
        unknown = await stage.ask("POST", channel, data={"action": "dance"})
        assert (unknown.status, list(unknown.json["data"])) == (400, ["action"])
        assert (await stage.ask("POST", channel, data={"action": ["hangup"]})).status == 400
        missing = await stage.ask("POST", f"{HERE}/channels/none", data={"action": "hangup"})
        assert missing.status == 404

    async def over(stage: Stage, call: str) -> None:
        assert (await stage.get(f"{HERE}/calls")).json["data"] == []
        gone = await until(stage, call, lambda data: data["state"] == "over")
        assert gone.json["data"]["cause"] == "NORMAL_CLEARING" and gone.json["data"]["seconds"] > 1
        assert [row["state"] for row in gone.json["data"]["recordings"]][:1] == ["READY"]
        assert (await stage.get(f"{HERE}/calls?state=over")).json["data"][0]["id"] == gone.json["data"]["id"]
        for answer in (
            await stage.ask("DELETE", call),
            await stage.ask("PUT", f"{call}/recordings", data={}),
        ):
            assert answer.status == 404
        assert b"walked now" not in (await stage.get(f"{call}/draw")).body

    accounts = tmp_path / "accounts"
    account(accounts / "acme", {"100": RECORD}, devices=("alice",))
    account(accounts / "other", {"100": RECORD}, devices=("otto",))
    on_stage(tmp_path, main, accounts=accounts)
