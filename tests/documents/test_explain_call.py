"""callflow explain of a call: which settings record it, and which key of which document says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from callflow.cli import app_for

ON = {"enabled": True}
DOCUMENTS: dict[str, Mapping[str, Any]] = {
    "account.json": {
        "call_recording": {
            "account": {"any": {"offnet": {**ON, "url": "http://user:secret@h.example/x"}}},
            "endpoint": {"inbound": {"any": ON}},
        }
    },
    "users/alice.json": {
        "call_recording": {"outbound": {"onnet": {**ON, "format": "wav", "time_limit": 99999}}}
    },
    "users/bob.json": {},
    "devices/alice-desk.json": {"owner_id": "alice"},
    "devices/bob-desk.json": {"owner_id": "bob", "call_recording": {"any": {"any": {"enabled": False}}}},
    "callflows/bob.json": {"numbers": ["2002"], "flow": {"module": "user", "data": {"id": "bob"}}},
    "callflows/out.json": {"numbers": ["no_match"], "flow": {"module": "resources", "data": {}}},
}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    for name, document in DOCUMENTS.items():
        path = tmp_path / "acc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")
    return tmp_path / "acc"


def _ask(account: Path | None, *words: str) -> tuple[int, str]:
    options = ["explain", *(["--account", str(account)] if account else []), *words]
    ran = CliRunner().invoke(app_for("explain"), options)
    return ran.exit_code, ran.output


def _json(account: Path, *words: str) -> dict[str, Any]:
    code, output = _ask(account, *words, "-o", "json")
    assert code == 0, output
    found: dict[str, Any] = json.loads(output)
    return found


def test_phone_calls_phone(account: Path) -> None:
    found = _json(account, "--from-device", "alice-desk", "--to", "2002")
    assert (found["call"]["source"], found["call"]["destination"]) == ("onnet", "onnet")
    assert [(each["origin"], each["starts"], each["why"]) for each in found["recordings"]] == [
        ("inbound from onnet to account", False, "no document says anything"),
        ("outbound to onnet from account", False, "no document says anything"),
        ("outbound to onnet from endpoint", True, "user alice /call_recording/outbound/onnet/enabled"),
        ("inbound from onnet to endpoint", False, "device bob-desk /call_recording/any/any/enabled"),
    ]
    rows = {row["name"]: (row["value"], row["origin"]) for row in found["recordings"][2]["settings"]}
    assert rows["format"] == ("wav", "user alice /call_recording/outbound/onnet/format")
    assert rows["time_limit"][0] == 10800 and rows["method"] == ("put", "always")


def test_phone_calls_out_and_somebody_calls_in(account: Path) -> None:
    out = _json(account, "--from-user", "alice", "--to", "5551234")
    assert out["call"]["how"] == "callflow out, found by no_match"
    assert [each["origin"] for each in out["recordings"] if each["starts"]] == [
        "outbound to offnet from account"
    ]
    code, text = _ask(account, "--to-user", "alice")
    assert code == 0 and "From offnet to onnet" in text and "secret" not in text
    assert "inbound from offnet to endpoint: the B-leg" in text
    assert "account /call_recording/endpoint/inbound/any/enabled" in text


def test_what_cannot_be_asked(account: Path, tmp_path: Path) -> None:
    for words, said in (
        (("--to-user", "zed"), "there are: alice, bob"),
        (("--from-device", "x", "--to-user", "bob"), "no device"),
        (("--to", "abc"), "no callflow"),
        ((), "what is to be explained?"),
        ((str(account / "callflows/bob.json"), "--to", "2002"), "not both"),
    ):
        code, output = _ask(account, *words)
        assert code == 2 and said in output, output
    assert "--account" in _ask(None, "--to", "2002")[1]
