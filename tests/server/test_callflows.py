"""Callflows over HTTP: files, judged as ``callflow check`` does, and in force when the answer comes."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

from tests.serve.accounts import RECORD, account, write
from tests.server.stage import Answer, Stage, on_stage

HERE = "/v2/accounts/acme/callflows"


def flow(number: str, tree: dict[str, Any] = RECORD, **more: Any) -> dict[str, Any]:
    return {"numbers": [number], "flow": tree, **more}


def goes_to(id: str) -> dict[str, Any]:
    return {"module": "callflow", "data": {"id": id}, "children": {}}


def served(stage: Stage, account_id: str = "acme") -> dict[str, Any]:
    """The callflows that calls are led by at this moment."""
    return dict(stage.parts.catalog.tenants[account_id].account.all("callflow"))


def test_a_callflow_lives(tmp_path: Path) -> None:
    """Created, read, replaced, changed, deleted; each at once in force, and a file."""
    folder = tmp_path / "accounts" / "acme" / "callflows"

    async def main(stage: Stage) -> None:
        made = await stage.ask("PUT", HERE, data=flow("200", name="Sales"))
        assert made.status == 201, made.body
        id, revision = made.json["data"]["id"], made.json["revision"]
        assert (len(id), made.headers["Location"]) == (32, f"{HERE}/{id}")
        assert made.headers["ETag"] == f'"{revision}"'
        assert "warnings" not in made.json
        assert served(stage)[id]["numbers"] == ["200"]
        assert json.loads((folder / f"{id}.json").read_text()) == flow("200", name="Sales")

        read = await stage.get(f"{HERE}/{id}")
        assert read.json["data"] == {**flow("200", name="Sales"), "id": id}
        assert read.json["revision"] == revision
        same = await stage.get(f"{HERE}/{id}", headers={"If-None-Match": f'"{revision}"'})
        assert (same.status, same.body) == (304, b"")

        replaced = await stage.ask("POST", f"{HERE}/{id}", data=flow("201"))
        assert (replaced.status, served(stage)[id]["numbers"]) == (200, ["201"])
        assert "name" not in replaced.json["data"] and replaced.json["revision"] != revision
        patch = {"name": "Sales", "flow": {"data": {"note": 1}, "children": None}}
        changed = await stage.ask("PATCH", f"{HERE}/{id}", data=patch)
        assert changed.json["data"]["flow"] == {"module": "answer", "data": {"note": 1}}
        assert changed.json["warnings"][0]["pointer"] == "/flow/data/note"
        assert served(stage)[id]["name"] == "Sales"

        gone = await stage.ask("DELETE", f"{HERE}/{id}")
        assert (gone.status, gone.json["data"]["id"], id in served(stage)) == (200, id, False)
        assert not (folder / f"{id}.json").exists()
        for method in ("GET", "DELETE"):
            assert (await stage.ask(method, f"{HERE}/{id}")).status == 404

    on_stage(tmp_path, main)


def test_what_is_wrong_is_told_where_it_stands(tmp_path: Path) -> None:
    """In Kazoo's envelope, with the place in the text that was sent; nothing is written."""
    folder = tmp_path / "accounts" / "acme" / "callflows"
    sent = b"""{
  "data": {"numbers": ["300"],
    "flow": {"module": "record_call", "data": {"action": "begin", "time_limit": true}},
    "extra": {}
  }
}"""

    async def main(stage: Stage) -> None:
        answer = await stage.ask("PUT", HERE, body=sent)
        assert (answer.status, answer.json["message"], answer.json["status"]) == (400, "bad_request", "error")
        found = answer.json["data"]["flow.data.action"]["enum"]
        assert (found["pointer"], found["line"], found["column"]) == ("/flow/data/action", 3, 58)
        assert sent.splitlines()[2][57:].startswith(b'"begin"')
        assert found["code"] == "CF-CHK-071" and found["hint"]
        assert "type" in answer.json["data"]["flow.data.time_limit"]
        broken = await stage.ask("PUT", HERE, body=b'{"data": {\n "flow": {,}}}')
        (rule,) = broken.json["data"]["data"].values()
        assert (broken.status, rule["line"], rule["column"]) == (400, 2, 11)
        for body in (b"", b"[]", b'{"data": 1}', b'{"flow": {}}', b"\xff"):
            assert (await stage.ask("PUT", HERE, body=body)).status == 400
        for tree in ([None], "x", None, 1, {**RECORD, "children": {"_": 7}}):
            assert (await stage.ask("PUT", HERE, data={"flow": tree})).status == 400, tree
            judged = await stage.ask("POST", f"{HERE}/validate", data={"flow": tree})
            assert judged.json["data"]["valid"] is False
        huge = io.BytesIO(b'{"data": {"x": "' + b"x" * 1024 * 1024 + b'"}}')
        token = {"X-Auth-Token": stage.token}
        async with stage.http.put(stage.url + HERE, data=huge, headers=token) as response:
            assert response.status == 413
        for id in ("../../evil", "a/b", "validate", "x" * 200, ".hidden"):
            refused = await stage.ask("PUT", HERE, data=flow("300", id=id))
            assert (refused.status, list(refused.json["data"])) == (400, ["id"])
        assert (await stage.ask("PATCH", f"{HERE}/n100", data={"flow": {"module": "recrd"}})).status == 400
        assert sorted(path.name for path in folder.iterdir()) == ["n100.json"]
        assert list(served(stage)) == ["n100"]

    on_stage(tmp_path, main)


def test_one_number_is_one_callflows(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        twice = await stage.ask("PUT", HERE, data=flow("100"))
        assert twice.status == 400
        assert "n100.json" in twice.json["data"]["numbers.0"]["unique"]["message"]
        answers = await asyncio.gather(*(stage.ask("PUT", HERE, data=flow("400")) for _ in range(3)))
        assert sorted(answer.status for answer in answers) == [201, 400, 400], "two at once, one number"
        assert len(served(stage)) == 2
        assert (await stage.ask("PUT", "/v2/accounts/other/callflows", data=flow("400"))).status == 201
        assert (await stage.ask("PUT", HERE, data=flow("401", id="n100"))).status == 409

    on_stage(tmp_path, main)


def test_who_has_seen_something_older_is_stopped(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        old = (await stage.get(f"{HERE}/n100")).json["revision"]
        first = {"If-Match": f'"{old}"'}
        assert (
            await stage.ask("POST", f"{HERE}/n100", data=flow("100", name="a"), headers=first)
        ).status == 200
        for method, data in (("POST", flow("100")), ("PATCH", {"name": "b"}), ("DELETE", None)):
            answer = await stage.ask(method, f"{HERE}/n100", data=data, headers=first)
            assert (answer.status, answer.json["message"]) == (412, "precondition_failed")
        patches = [stage.ask("PATCH", f"{HERE}/n100", data={f"x{n}": n}) for n in range(4)]
        statuses = sorted(answer.status for answer in await asyncio.gather(*patches))
        assert set(statuses) <= {200, 412}
        kept = [key for key in served(stage)["n100"] if key.startswith("x")]
        assert len(kept) == statuses.count(200) >= 1, "no change is lost without a word"

    on_stage(tmp_path, main)


def test_a_callflow_that_others_need_stays(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        assert (await stage.ask("PUT", HERE, data=flow("500", goes_to("n100"), id="front"))).status == 201
        kept = await stage.ask("DELETE", f"{HERE}/n100")
        assert kept.status == 409
        (needing,) = kept.json["data"]["needed_by"]
        assert (needing["file"], needing["pointer"]) == ("front.json", "/flow/data/id")
        assert (await stage.ask("DELETE", f"{HERE}/front")).status == 200
        assert (await stage.ask("DELETE", f"{HERE}/n100")).status == 200

    on_stage(tmp_path, main)


def test_files_of_people_stay_as_they_are(tmp_path: Path) -> None:
    """Other files keep every byte; the one that is changed keeps indent, name, mode and id."""
    accounts = tmp_path / "accounts"
    account(accounts / "acme", {"100": RECORD})
    callflows = accounts / "acme" / "callflows"
    odd = callflows / "odd name.json"
    odd.write_text(json.dumps(flow("600", id="six"), indent=4))
    odd.chmod(0o640)
    other = callflows / "n100.json"
    other.write_text(f' {{"flow" :{json.dumps(RECORD)},\n\n"numbers":["100"]}}')
    as_it_was = other.read_bytes()

    async def main(stage: Stage) -> None:
        sent = {"numbers": ["601"], "flow": RECORD}
        made = await stage.ask("POST", f"{HERE}/six", data=sent)
        assert made.status == 200, made.body
        assert odd.read_text() == json.dumps({"id": "six", **sent}, indent=4) + "\n"
        assert odd.stat().st_mode & 0o777 == 0o640
        assert other.read_bytes() == as_it_was
        assert sorted(path.name for path in callflows.iterdir()) == ["n100.json", "odd name.json"]

    on_stage(tmp_path, main, accounts=accounts)


def test_what_the_server_refuses_is_taken_back(tmp_path: Path) -> None:
    """Another file is at fault: nothing can be read anew, so nothing stays changed."""
    users = tmp_path / "accounts" / "acme" / "users"

    async def main(stage: Stage) -> None:
        before = served(stage)
        write(users / "bob.json", {"call_recording": 1})
        answer = await stage.ask("PUT", HERE, data=flow("700"))
        assert answer.status == 409 and "bob.json" in answer.json["data"]["problems"][0]
        changed = await stage.ask("PATCH", f"{HERE}/n100", data={"name": "new"})
        assert changed.status == 409
        assert served(stage) == before
        assert "name" not in (await stage.get(f"{HERE}/n100")).json["data"]
        (users / "bob.json").unlink()
        assert (await stage.ask("PUT", HERE, data=flow("700"))).status == 201

    on_stage(tmp_path, main)


def test_lists(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    hangup = {"module": "hangup", "data": {}, "children": {}}
    account(accounts / "acme", {str(n): RECORD if n % 2 else hangup for n in range(100, 107)})
    write(accounts / "acme" / "callflows" / "many.json", {"patterns": ["^9([0-9]+)$"], "flow": hangup})

    async def main(stage: Stage) -> None:
        async def ids(query: str) -> list[str]:
            return [row["id"] for row in (await stage.get(HERE + query)).json["data"]]

        first = (await stage.get(HERE + "?page_size=3")).json
        assert [row["id"] for row in first["data"]] == ["many", "n100", "n101"]
        assert first["data"][2] == {
            "id": "n101", "numbers": ["101"], "patterns": [],
            "modules": ["answer", "record_call", "wait_for_hangup"],
        }  # fmt: skip
        assert (first["page_size"], first["next_start_key"]) == (3, "n102")
        rest = (await stage.get(f"{HERE}?page_size=200&start_key={first['next_start_key']}")).json
        assert (rest["page_size"], "next_start_key" in rest, rest["start_key"]) == (5, False, "n102")
        assert len(await ids("?paginate=false")) == 8
        assert await ids("?number=9123") == ["many"]
        assert await ids("?number=7") == []
        assert await ids("?module=record_call") == ["n101", "n103", "n105"]
        assert await ids("?filter_numbers=104") == ["n104"]
        assert await ids("?has_key=patterns") == ["many"]
        assert await ids("?key_missing=patterns&module=hangup") == ["n100", "n102", "n104", "n106"]
        for size in ("0", "x", "201", "-1"):
            assert (await stage.get(f"{HERE}?page_size={size}")).status == 400

    on_stage(tmp_path, main, accounts=accounts)


def test_validating_and_drawing_save_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "accounts" / "acme" / "callflows"

    async def main(stage: Stage) -> None:
        async def judged(body: bytes, query: str = "") -> Any:
            sent = {"Content-Type": "text/plain"}
            return (await stage.ask("POST", f"{HERE}/validate{query}", body=body, headers=sent)).json["data"]

        own = json.dumps(flow("100")).encode()
        assert [each["code"] for each in (await judged(own))["problems"]] == ["CF-CHK-102"]
        assert await judged(own, "?id=n100") == {"valid": True, "errors": 0, "warnings": 0, "problems": []}
        half = await judged(b'{"numbers": ["1"],\n"flow": {"module": ')
        assert (half["valid"], half["problems"][0]["line"]) == (False, 2)
        found = await stage.ask("POST", f"{HERE}/validate", data={"flow": {"module": "recrd", "data": {}}})
        codes = [each["code"] for each in found.json["data"]["problems"]]
        assert "CF-CHK-060" in codes and not found.json["data"]["valid"]

        def is_svg(answer: Answer) -> bool:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            return answer.status == 200 and answer.headers["Content-Type"].startswith("image/svg+xml")

        stored = await stage.get(f"{HERE}/n100/draw")
        assert is_svg(stored) and b"wait_for_hangup" in stored.body
        sent = await stage.ask("POST", f"{HERE}/draw", data=flow("9", {"module": "recrd", "data": {}}))
        assert is_svg(sent) and b"CF-CHK-060" in sent.body
        bare = await stage.ask("POST", f"{HERE}/draw?problems=false", data={"module": "recrd", "data": {}})
        assert is_svg(bare) and b"CF-CHK-060" not in bare.body
        assert (await stage.ask("POST", f"{HERE}/draw", data={"x": 1})).status == 400
        assert (await stage.get(f"{HERE}/none/draw")).status == 404
        assert sorted(path.name for path in folder.iterdir()) == ["n100.json"]

    on_stage(tmp_path, main)


def test_only_who_may(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        reader = stage.token_for("acme", "callflows:read")
        stranger = stage.token_for("other")
        for method, path in (("PUT", ""), ("POST", "/n100"), ("PATCH", "/n100"), ("DELETE", "/n100")):
            for token, status in (("", 401), (reader, 403), (stranger, 404)):
                answer = await stage.ask(method, HERE + path, data=flow("1"), token=token)
                assert answer.status == status, (method, path, status)
        for path in ("", "/n100", "/n100/draw"):
            assert (await stage.get(HERE + path, token=reader)).status == 200
            assert (await stage.get(HERE + path, token=stranger)).status == 404
        assert list(served(stage)) == ["n100"]

    on_stage(tmp_path, main)
