"""Legal holds and proofs of erasure over HTTP: for who may, of his own account only."""

from __future__ import annotations

from pathlib import Path

from callflow.recording.erasing import erase
from callflow.state.erasing import MOST_REASON, Why, list_holds
from tests.server.library import keep
from tests.server.stage import Answer, Stage, on_stage

BASE = "/v2/accounts/acme"
HOLD = f"{BASE}/recordings/r1/hold"
REASON = {"reason": "case 4711"}


def test_what_is_held_is_not_erased(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        keep(stage, "r1")
        keep(stage, "theirs", account_id="other")
        assert (await stage.get(HOLD)).json["data"] == {"held": None, "former": []}
        put = await stage.ask("PUT", HOLD, data=REASON)
        held = put.json["data"]["held"]
        assert put.status == 200 and (held["reason"], held["by"]) == ("case 4711", "token test")
        assert (await stage.ask("PUT", HOLD, data=REASON)).json["data"] == put.json["data"]
        other = await stage.ask("PUT", HOLD, data={"reason": "case 8"})
        assert other.status == 409 and "case 4711" in other.json["data"]["message"]
        assert (await stage.get(f"{BASE}/recordings/r1")).json["data"]["held"] == held
        refused = await stage.ask("DELETE", f"{BASE}/recordings/r1?force=true")
        assert refused.status == 409 and "case 4711" in refused.json["data"]["message"]
        await _wrong(stage)
        await _others(stage)

        (former,) = (await stage.ask("DELETE", HOLD)).json["data"]["former"]
        assert former["reason"] == "case 4711" and former["released_by"] == "token test"
        assert (await stage.ask("DELETE", HOLD)).status == 409
        assert (await stage.get(HOLD)).json["data"] == {"held": None, "former": [former]}
        assert (await stage.ask("DELETE", f"{BASE}/recordings/r1")).status == 200
        assert (await stage.get(HOLD)).status == 404

    on_stage(tmp_path, main)


async def _wrong(stage: Stage) -> None:
    for reason in (None, "", "  ", 7, "x" * (MOST_REASON + 1)):
        answer = await stage.ask("PUT", HOLD, data={} if reason is None else {"reason": reason})
        assert answer.status == 400 and list(answer.json["data"]) == ["reason"]
    assert (await stage.ask("PUT", f"{BASE}/recordings/nowhere/hold", data=REASON)).status == 404
    assert (await stage.ask("DELETE", f"{BASE}/recordings/nowhere/hold")).status == 404


async def _others(stage: Stage) -> None:
    """Who may read may not hold; what is another account's is not there."""
    reader = stage.token_for("acme", "recordings:read")
    assert (await stage.get(HOLD, token=reader)).status == 200
    assert (await stage.ask("PUT", HOLD, data=REASON, token=reader)).status == 403
    assert (await stage.ask("DELETE", HOLD, token=reader)).status == 403
    for method, data in (("GET", None), ("PUT", REASON), ("DELETE", None)):
        theirs = f"{BASE}/recordings/theirs/hold"
        assert (await stage.ask(method, theirs, data=data)).status == 404
    assert stage.parts.database.run(lambda conn: list_holds(conn, recording_id="theirs")) == []


def test_proofs_come_in_pages(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        for number in range(5):
            keep(stage, f"r{number}", account_id="other" if number == 3 else "acme")
        row = keep(stage, "last")
        for number in range(5):
            _erase(stage, f"r{number}")
        assert (await stage.ask("DELETE", f"{BASE}/recordings/last")).status == 200

        first = await stage.get(f"{BASE}/proofs?page_size=3")
        proof = first.json["data"][0]
        assert (proof["id"], proof["why"], proof["digests"]) == ("last", "api", {"sha-256": row.sha256})
        assert proof["files_gone"] and "files" not in proof
        assert _ids(first) == ["last", "r4", "r2"] and first.json["page_size"] == 3
        second = await stage.get(f"{BASE}/proofs?page_size=3&start_key={first.json['next_start_key']}")
        assert _ids(second) == ["r1", "r0"] and "next_start_key" not in second.json
        assert _ids(await stage.get(f"{BASE}/proofs?recording_id=r2")) == ["r2"]
        assert _ids(await stage.get(f"{BASE}/proofs?recording_id=r3")) == []
        for wrong in ("page_size=0", "page_size=1000", "start_key=-1", "start_key=x"):
            assert (await stage.get(f"{BASE}/proofs?{wrong}")).status == 400
        assert (
            await stage.get(f"{BASE}/proofs", token=stage.token_for("acme", "deliveries:read"))
        ).status == 403

    on_stage(tmp_path, main)


def _erase(stage: Stage, recording_id: str) -> None:
    parts = stage.parts
    wall = parts.clock.wall()
    erase(parts.folder, parts.database, recording_id, why=Why.RETENTION, by="serve", wall=wall)


def _ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [each["id"] for each in answer.json["data"]]
