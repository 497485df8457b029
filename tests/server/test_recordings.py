"""The library over HTTP: lists, documents, audio and its parts, peaks, deleting; for who may."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from callflow.media.peaks import Peaks, read_peaks
from callflow.recording import peaks as kept
from callflow.state.erasing import hold, list_proofs
from tests.server.library import FIRST_WALL, SECONDS, SOUND, WAV, keep
from tests.server.stage import Answer, Stage, on_stage

BASE = "/v2/accounts/acme/recordings"
MALICIOUS = 'a"b/../ü\r\nX: y'


def _ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [each["id"] for each in answer.json["data"]]


def test_lists_and_documents(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        for number in range(5):
            facts = {"from": f"+4930{number}@realm", "owner_id": "alice" if number % 2 else "bob"}
            keep(stage, f"r{number}", minutes=number, facts=facts)
        keep(stage, "elsewhere", account_id="other", facts={"owner_id": "alice"})
        keep(stage, MALICIOUS, minutes=-1, file=False)

        newest = ["r4", "r3", "r2", "r1", "r0", MALICIOUS]
        assert _ids(await stage.get(BASE)) == newest
        assert _ids(await stage.get(f"{BASE}?ascending=true")) == newest[::-1]
        assert _ids(await stage.get(f"{BASE}?owner_id=alice&number=%2B49303")) == ["r3"]
        assert _ids(await stage.get("/v2/accounts/acme/users/alice/recordings")) == ["r3", "r1"]
        assert _ids(await stage.get("/v2/accounts/acme/users/alice/recordings?owner_id=bob")) == ["r3", "r1"]
        gregorian = int(FIRST_WALL) + 62_167_219_200
        assert _ids(
            await stage.get(f"{BASE}?created_from={gregorian + 60}&created_to={gregorian + 120}")
        ) == [
            "r2",
            "r1",
        ]
        assert _ids(await stage.get(f"{BASE}?filter_owner_id=bob&created_from=2025-11-20T10:03Z")) == ["r4"]

        first = await stage.get(f"{BASE}?page_size=4")
        assert (first.json["page_size"], _ids(first)) == (4, newest[:4])
        keep(stage, "new", minutes=9)  # what comes in meanwhile moves no page
        second = await stage.get(f"{BASE}?page_size=4&start_key={first.json['next_start_key']}")
        assert second.json["start_key"] == first.json["next_start_key"]
        assert _ids(second) == newest[4:] and "next_start_key" not in second.json
        for wrong in ("page_size=0", "page_size=x", "start_key=x", "min_second=1", "created_from=1763632800"):
            refused = await stage.get(f"{BASE}?{wrong}")
            assert refused.status == 400 and list(refused.json["data"]) == [wrong.partition("=")[0]]

        document = (await stage.get(f"{BASE}/r1")).json["data"]
        assert document["start"] == gregorian + 60 and document["duration_ms"] == 1000 * SECONDS
        assert document["from"] == "+49301@realm" and document["state"] == "READY"
        assert document["digests"] == {"sha-256": document["digests"]["sha-256"]}
        assert document["media"] == {"available": True, "content_type": "audio/wav", "sealed": False}
        assert (document["attempts"], document["deliveries"], document["held"]) == (0, [], None)
        assert str(tmp_path) not in json.dumps(document)

        await _others(stage)

    on_stage(tmp_path, main)


async def _others(stage: Stage) -> None:
    """One account never sees another's, nor whether it is there."""
    token = stage.token_for("acme", "recordings:read")
    assert (await stage.get(f"{BASE}/r1", token=token)).status == 200
    for path in (
        "/recordings/elsewhere",
        "/recordings/elsewhere/peaks",
        "/recordings/elsewhere?accept=audio/wav",
    ):
        there = await stage.get(f"/v2/accounts/acme{path}", token=token)
        absent = await stage.get(f"/v2/accounts/acme{path.replace('elsewhere', 'nowhere00')}", token=token)
        assert there.status == absent.status == 404
        told = [re.sub(r'"request_id":"\w+"', "", each.body.decode()) for each in (there, absent)]
        assert told[0].replace("elsewhere", "") == told[1].replace("nowhere00", "")
        assert (await stage.get(f"/v2/accounts/other{path}", token=token)).status == 404
    assert (await stage.get("/v2/accounts/other/recordings", token=token)).status == 404
    assert (await stage.ask("DELETE", f"{BASE}/r1", token=token)).status == 403
    assert (await stage.get(BASE, token="")).status == 401
    assert (await stage.get(f"{BASE}?auth_token={stage.token}", token="")).status == 401
    audio = await stage.get(f"{BASE}/r1?accept=audio/wav&auth_token={token}", token="")
    assert (audio.status, audio.body) == (200, WAV)


def test_audio_and_its_parts(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        row = keep(stage, "r1")
        keep(stage, MALICIOUS, minutes=1)
        keep(stage, "gone", file=False)
        keep(stage, "sealed", facts={"sealed": True})
        one = f"{BASE}/r1"
        whole = await stage.get(one, headers={"Accept": "audio/x-wav"})
        assert (whole.status, whole.body) == (200, WAV)
        assert whole.headers["Content-Type"] == "audio/wav" and whole.headers["Accept-Ranges"] == "bytes"
        tag = whole.headers["ETag"]
        assert tag == f'"{row.sha256}"'
        assert whole.headers["Content-Disposition"].startswith('attachment; filename="r1.wav"')
        inline = await stage.get(f"{one}?accept=audio/wav&inline=true")
        assert inline.headers["Content-Disposition"].startswith("inline;")

        async def part(**headers: str) -> tuple[int, bytes, str]:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = await stage.get(f"{one}?accept=audio/*", headers=sent)
            return answer.status, answer.body, answer.headers.get("Content-Range", "")

        size = len(WAV)
        assert await part(Range="bytes=0-43") == (206, WAV[:44], f"bytes 0-43/{size}")
        assert await part(Range="bytes=-100") == (206, WAV[-100:], f"bytes {size - 100}-{size - 1}/{size}")
        assert await part(Range="bytes=9-", If_Range=tag) == (206, WAV[9:], f"bytes 9-{size - 1}/{size}")
        assert await part(Range="bytes=9-", If_Range='"other"') == (200, WAV, "")
        assert await part(Range="bytes=0-1,5-6") == (200, WAV, "")
        assert (await part(Range=f"bytes={size}-"))[::2] == (416, f"bytes */{size}")
        assert await part(If_None_Match=tag) == (304, b"", "")

        head = await stage.ask("HEAD", one, headers={"Accept": "audio/wav"})
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(size))
        assert (await stage.ask("HEAD", one)).headers["Content-Type"].startswith("application/json")

        wrong = await stage.get(one, headers={"Accept": "audio/mpeg"})
        assert wrong.status == 406 and "audio/wav" in wrong.json["data"]["message"]
        assert (await stage.get(f"{BASE}/gone?accept=audio/wav")).status == 404
        (stage.parts.folder.root / row.file).unlink()
        assert (await stage.get(f"{one}?accept=audio/wav")).status == 404

        quoted = f"{BASE}/a%22b%2F..%2F%C3%BC%0D%0AX:%20y"
        odd = await stage.get(f"{quoted}?accept=audio/wav")
        assert odd.status == 200
        assert re.fullmatch(
            r"attachment; filename=\"id-[0-9a-f]{40}\.wav\"; filename\*=UTF-8''id-[0-9a-f]{40}\.wav",
            odd.headers["Content-Disposition"],
        )
        assert (await stage.get(quoted)).json["data"]["id"] == MALICIOUS

        sealed = await stage.get(f"{BASE}/sealed", headers={"Accept": "application/vnd.age"})
        assert sealed.status == 200 and 'filename="sealed.wav.age"' in sealed.headers["Content-Disposition"]
        assert (await stage.get(f"{BASE}/sealed?accept=audio/wav")).status == 406
        assert (await stage.get(f"{BASE}/sealed/peaks")).status == 409

    on_stage(tmp_path, main)


def test_peaks_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(path: Path, buckets: int) -> Peaks:
        made.append(path)
        return read_peaks(path, buckets)

    monkeypatch.setattr("callflow.server.v2.recordings.read_peaks", make)
    monkeypatch.setattr(kept, "MOST_KEPT", 2)

    async def main(stage: Stage) -> None:
        for number in range(4):
            keep(stage, f"r{number}")
        answer = await stage.get(f"{BASE}/r0/peaks?buckets=10")
        data = answer.json["data"]
        assert (data["channels"], data["buckets"], data["seconds"]) == (2, 10, SECONDS)
        pieces = SOUND.reshape(10, -1, 2) >> 8
        for channel in (0, 1):
            low, high = data["peaks"][channel][::2], data["peaks"][channel][1::2]
            assert low == pieces.min(axis=1)[:, channel].tolist()
            assert high == pieces.max(axis=1)[:, channel].tolist()
        again = await stage.get(f"{BASE}/r0/peaks", headers={"If-None-Match": "x"})
        assert again.json["data"]["buckets"] == 800 and len(made) == 1
        tag = answer.headers["ETag"]
        same = await stage.get(f"{BASE}/r0/peaks?buckets=10", headers={"If-None-Match": tag})
        assert (same.status, same.body) == (304, b"")
        assert (await stage.get(f"{BASE}/r0/peaks?buckets=0")).status == 400
        for number in (1, 2):
            assert (await stage.get(f"{BASE}/r{number}/peaks")).status == 200
        assert (await stage.get(f"{BASE}/r0/peaks")).status == 200  # the oldest of three was not kept
        assert len(made) == 4
        await stage.ask("DELETE", f"{BASE}/r0")
        left = stage.parts.database.run(
            lambda conn: conn.execute("SELECT recording_id FROM peaks").fetchall()
        )
        assert left == [("r2",)]

    on_stage(tmp_path, main)


def test_a_recording_is_deleted_with_proof(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        database = stage.parts.database
        row = keep(stage, "r1")
        keep(stage, "held")
        keep(stage, "waiting", url="http://127.0.0.1:9/x.wav")
        wall = stage.parts.clock.wall()
        database.run(lambda conn: hold(conn, "held", reason="case 7", by="court", wall=wall))
        assert (await stage.get(f"{BASE}/held")).json["data"]["held"]["reason"] == "case 7"
        for id, why in (("held", "court"), ("waiting", "not delivered")):
            refused = await stage.ask("DELETE", f"{BASE}/{id}")
            assert refused.status == 409 and why in refused.json["data"]["message"]
            assert "callflow " not in refused.json["data"]["cause"]  # what helps here, not on a command line
        gone = await stage.ask("DELETE", f"{BASE}/r1")
        assert gone.status == 200 and gone.json["data"]["erased"]["digests"] == {"sha-256": row.sha256}
        assert not (stage.parts.folder.root / row.file).exists()
        assert (
            (await stage.get(f"{BASE}/r1")).status == (await stage.ask("DELETE", f"{BASE}/r1")).status == 404
        )
        assert (await stage.ask("DELETE", f"{BASE}/waiting?force=true")).status == 200
        assert (await stage.ask("DELETE", f"{BASE}/held?force=true")).status == 409
        proofs = database.run(lambda conn: list_proofs(conn, account_id="acme"))
        assert [(proof.recording_id, proof.why) for proof in proofs] == [("waiting", "api"), ("r1", "api")]
        assert all("test" in proof.by_whom and proof.done_wall for proof in proofs)
        assert _ids(await stage.get(BASE)) == ["held"]

    on_stage(tmp_path, main)
