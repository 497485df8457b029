"""A call of an account with a storage plan, whole: where its recordings go, and what people are shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import callflow.cli
from callflow.documents.accounts import Account
from callflow.events import DeliveryChanged, Noticed
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import list_deliveries, list_recordings
from tests.app.harness import Stage, chain, node, tone, with_receiver

TALK = {"caller": {"audio": tone(440, 2), "hangup_after": 3}, "callee": {"answer_after": 1}}
RECORD = node("record_call", action="start", format="wav")
SECRET = "Bearer of-nobody"


def account(url: str, **place: Any) -> Account:
    settings = {"url": url, "headers": {"X-Key": SECRET}, **place}
    storage = {
        "attachments": {"web": {"handler": "http", "name": "Archive", "settings": settings}},
        "plan": {"modb": {"types": {"call_recording": {"attachments": {"handler": "web"}}}}},
    }
    return replace(Account.empty("acc"), storage=storage)


def told(command: str, *words: str) -> Result:
    return CliRunner().invoke(callflow.cli.app_for(command), [command, *words])


def test_the_plan_takes_what_has_no_url_and_names_stay_apart(tmp_path: Path) -> None:
    named = [{"arg": "account_id"}, {"arg": "attachment"}]

    def use(url: str) -> list[str]:
        stage = Stage(tmp_path / "state", account(url, field_list=named), deliver=True)
        stage.settings = {"media.store_recordings": False}
        own = node("record_call", action="start", format="wav", url=f"{url}/own")
        played = stage.play(chain(RECORD, RECORD, own, node("user", id="u")), TALK)
        assert {event.change for event in played.of(DeliveryChanged)} == {"queued", "sending", "delivered"}
        return [played.report.call_id]

    (call_id,), received = with_receiver(tmp_path / "received", use)
    name = f"call_recording_{call_id}"
    assert sorted(upload.target for upload in received) == [
        f"/acc/{name}-2.wav", f"/acc/{name}.wav", f"/own/{name}.wav",
    ]  # fmt: skip
    keys = {upload.target.split("/")[1]: upload.header("X-Key") for upload in received}
    assert keys == {"acc": SECRET, "own": None}


def test_secrets_of_a_plan_are_never_shown(tmp_path: Path) -> None:
    state = tmp_path / "state"
    stage = Stage(state, account("http://recorder:hidden@127.0.0.1:9/in"))
    played = stage.play(chain(RECORD, node("user", id="u")), TALK)
    shown = repr(played.events) + repr(played.report)
    database = Database.open(StateFolder.open(state).database)
    (delivery,), (recording,) = database.run(list_deliveries), database.run(list_recordings)
    database.close()
    shown += repr(delivery) + repr(recording)
    for words in (
        ("list",),
        ("list", "-o", "json"),
        ("show", delivery.id),
        ("show", delivery.id, "-o", "json"),
    ):
        done = told("deliveries", *words, "--state", str(state))
        assert done.exit_code == 0 and delivery.id in done.output, done.output
        assert "call_recording" in done.output
        shown += done.output
    assert SECRET in delivery.message and SECRET not in shown
    assert (
        delivery.kind == "storage"
        and "***@127.0.0.1:9" in told("deliveries", "show", delivery.id, "--state", str(state)).output
    )


def test_a_plan_that_cannot_be_used_costs_no_audio(tmp_path: Path) -> None:
    stage = Stage(tmp_path, replace(account("http://h/"), storage=_broken()))
    played = stage.play(chain(RECORD, node("user", id="u")), TALK)
    assert played.sound()[0].shape[0] > 8000
    (notice,) = [event for event in played.of(Noticed) if event.code == "CF-RUN-PLAN"]
    assert notice.level == "error" and "lost" in notice.message


def _broken() -> dict[str, Any]:
    return {"plan": {"modb": {"types": {"call_recording": {"attachments": {"handler": "lost"}}}}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "acc"
    (made / "callflows").mkdir(parents=True)
    (made / "account.json").write_text('{"id": "acc"}')
    (made / "callflows" / "100.json").write_text(
        json.dumps({"id": "100", "numbers": ["100"], "flow": RECORD})
    )
    s3 = {
        "bucket": "calls",
        "key": "secret:env:CF_K",
        "secret": "secret:env:CF_S",
        "host": "127.0.0.1",
        "port": 1,
    }
    (made / "storage.json").write_text(
        json.dumps(
            {
                "attachments": {"p": {"handler": "s3", "name": "Ours", "settings": s3}},
                "plan": {"modb": {"types": {"call_recording": {"attachments": {"handler": "p"}}}}},
            }
        )
    )
    return made


def test_explain_says_which_place_and_why(folder: Path) -> None:
    done = told("explain", str(folder / "callflows" / "100.json"), "--account", str(folder), "-o", "json")
    rows = {row["name"]: row for row in json.loads(done.output)["nodes"][0]["settings"]}
    assert rows["goes to"]["value"] == (
        "s3://127.0.0.1:1/calls/DATABASE/RECORDING_ID_call_recording_CALL_ID.wav"
    )
    assert rows["goes to"]["origin"] == 'storage plan of the account: s3 "Ours"'


def test_storage_test_says_which_step_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = told("storage", "test", str(folder))
    assert missing.exit_code == 1 and "CF_K" in missing.output and "open: FAILED" in missing.output
    monkeypatch.setenv("CF_K", "k")
    monkeypatch.setenv("CF_S", "hidden-1")
    blocked = told("storage", "test", str(folder / "storage.json"))
    assert blocked.exit_code == 1 and "allow_networks" in blocked.output
    assert "--allow-loopback" in blocked.output
    gone = told("storage", "test", str(folder), "--allow-loopback", "-o", "json")
    (place,) = json.loads(gone.output)
    (step,) = place["steps"]
    assert gone.exit_code == 1 and (step["name"], step["passed"]) == ("write", False)
    assert "hidden-1" not in missing.output + blocked.output + gone.output
    unknown = told("storage", "test", str(folder), "--place", "q")
    assert unknown.exit_code == 2


def test_storage_test_writes_reads_compares_and_deletes(tmp_path: Path, folder: Path) -> None:
    def use(url: str) -> list[Any]:
        storage = account(url).storage
        (folder / "storage.json").write_text(json.dumps(storage))
        done = told("storage", "test", str(folder), "--allow-loopback", "--bytes", "70000")
        assert done.exit_code == 0, done.output
        assert "write: ok" in done.output and "read back: passed over" in done.output
        return []

    _, received = with_receiver(tmp_path / "received", use)
    assert len(received[0].file.read_bytes()) == 70000 if received[0].file else False
