"""Settings over HTTP: what is in force and why; the operator's documents, changed only where all fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from callflow.server.v2.settings_shown import hidden, restored
from tests.modules.stage import node
from tests.serve.accounts import RECORD, account, write
from tests.server.stage import Stage, on_stage

HERE = "/v2/system_config"


def of(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (row,) = (each for each in rows if each["name"] == name)
    return row


def test_settings_are_shown_with_where_they_come_from(tmp_path: Path) -> None:
    config = tmp_path / "mine"
    write(config / "smtp_client.json", {"relay": "mail.example.com", "password": "hush", "username": "me"})
    accounts = tmp_path / "accounts"
    account(accounts / "acme", {"100": RECORD}, configs={"media": {"record_stereo": False}})
    account(accounts / "other", {"100": RECORD})

    async def main(stage: Stage) -> None:
        whole = await stage.get(HERE)
        relay = of(whole.json["data"], "smtp_client.relay")
        assert (relay["value"], relay["source"], relay["default"]) == ("mail.example.com", "user", "")
        assert relay["file"].endswith("smtp_client.json") and relay["description"]
        assert of(whole.json["data"], "media.record_stereo")["value"] is True
        one = await stage.get(f"{HERE}/smtp_client")
        assert one.json["data"]["stored"] == {
            "relay": "mail.example.com", "password": "***", "username": "***",
        }  # fmt: skip
        assert b"hush" not in whole.body + one.body
        own = await stage.get("/v2/accounts/acme/system_config", token=stage.token_for("acme"))
        stereo = of(own.json["data"], "media.record_stereo")
        assert (stereo["value"], stereo["source"], stereo["file"]) == (False, "account", "account.json")
        assert {row["name"].partition(".")[0] for row in own.json["data"]} == {"media", "callflow"}
        for path, status in ((HERE, 403), (f"{HERE}/media", 403), ("/v2/accounts/other/system_config", 404)):
            assert (await stage.get(path, token=stage.token_for("acme"))).status == status
        assert (await stage.get(f"{HERE}/nothing")).status == 404

    on_stage(tmp_path, main, accounts=accounts, system_config=config)


def test_a_document_is_changed(tmp_path: Path) -> None:
    config = tmp_path / "mine"
    write(config / "smtp_client.json", {"relay": "a.example.com", "password": "hush"})
    write(config / "media.json", {"record_stereo": False})
    long = node("record_call", {"action": "start", "time_limit": 5000})
    accounts = account(tmp_path / "accounts" / "acme", {"100": long}).parent
    mail = config / "smtp_client.json"

    async def main(stage: Stage) -> None:
        before = await stage.get(f"{HERE}/media")
        seen = {"If-Match": before.headers["ETag"]}
        changed = await stage.ask("PATCH", f"{HERE}/media", data={"record_min_sec": 4}, headers=seen)
        assert changed.status == 200, changed.body
        assert changed.json["data"]["stored"] == {"record_stereo": False, "record_min_sec": 4}
        assert stage.parts.catalog.settings.media.record_min_sec == 4
        assert stage.parts.catalog.tenants["acme"].settings.media.record_min_sec == 4
        assert (await stage.ask("PUT", f"{HERE}/media", data={}, headers=seen)).status == 412

        wrong = await stage.ask("PATCH", f"{HERE}/media", body=b'{"data": {\n"record_min_sec": "x"}}')
        found = wrong.json["data"]["record_min_sec"]["type"]
        assert (wrong.status, found["line"], found["pointer"]) == (400, 2, "/record_min_sec")
        breaks = await stage.ask("PATCH", f"{HERE}/media", data={"max_recording_time_limit": 60})
        (problem,) = breaks.json["data"]["problems"]
        assert (breaks.status, problem["file"], problem["code"]) == (409, "callflows/n100.json", "CF-CHK-080")
        assert json.loads((config / "media.json").read_text())["record_min_sec"] == 4

        shown = (await stage.get(f"{HERE}/smtp_client")).json["data"]["stored"]
        put = await stage.ask("PUT", f"{HERE}/smtp_client", data={**shown, "relay": "b.example.com"})
        assert put.status == 200
        assert json.loads(mail.read_text()) == {"relay": "b.example.com", "password": "hush"}
        assert stage.parts.catalog.settings.smtp_client.password == "hush"
        fresh = await stage.ask("PUT", f"{HERE}/delivery", data={"parallel": 3})
        assert fresh.json["data"]["from_next_start"] == ["delivery.parallel"]
        assert stage.parts.catalog.settings.delivery.parallel == 3
        reader = stage.token_for("*", "system_config:read")
        assert (await stage.ask("PUT", f"{HERE}/media", data={}, token=reader)).status == 403

    on_stage(tmp_path, main, accounts=accounts, system_config=config)


def test_what_ships_is_never_changed(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        answer = await stage.ask("PATCH", f"{HERE}/media", data={"record_min_sec": 4})
        assert answer.status == 409 and "--system-config" in answer.json["data"]["cause"]
        assert (await stage.get(f"{HERE}/media")).json["data"]["editable"] is False

    on_stage(tmp_path, main)


def test_headers_and_keys_are_secrets_whatever_their_names() -> None:
    rule = {"bearer": "LIT", "headers": {"X-Key": "LIT", "X-Named": "secret:env:KEY"}, "parallel": 3}
    stored = {"hosts": {"a.example": rule}, "api_key": "LIT"}
    shown = hidden("", stored)
    assert "LIT" not in str(shown) and "secret:env:KEY" in str(shown)
    assert shown["hosts"]["a.example"]["parallel"] == 3
    assert restored(shown, stored) == stored, "sent back as it was shown, it stays"
