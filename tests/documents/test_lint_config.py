"""lint-config: settings and accounts together: each contradiction is found at its place, what fits is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from callflow.cli import app_for
from callflow.documents.shipped import examples_dir
from tests.documents.test_check_branches import node

START = {"action": "start"}
TO_INSIDE = {**START, "url": "http://10.1.2.3/x"}
TO_URL = {**START, "url": "https://receiver.example.com/x"}


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def house(
    folder: Path, *, flow: object = None, configs: object = None, vmbox: bool = False, **settings: object
) -> Path:
    """A folder with one account and these settings documents."""
    for name, document in settings.items():
        write(folder / "system_config" / f"{name}.json", document)
    account = folder / "accounts" / "acme"
    write(account / "account.json", {"name": "Acme", **({"configs": configs} if configs else {})})
    write(account / "callflows" / "a.json", {"id": "a", "numbers": ["1"], "flow": flow or node("answer")})
    if vmbox:
        write(account / "vmboxes" / "box.json", {"mailbox": "1", "name": "Box"})
    return folder


def lint(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app_for("lint-config"), ["lint-config", str(folder), *words, "-o", "json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, json.loads(done.output)


def told(folder: Path) -> list[tuple[str, str, str]]:
    return [
        (Path(each["file"]).name, each["code"][-3:], each["pointer"]) for each in lint(folder)[1]["problems"]
    ]


SYSTEM: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({"media": {"record_min_sec": 11000}}, [("media.json", "120", "/record_min_sec")]),
    ({"media": {"default": {"record_min_sec": 60, "max_recording_time_limit": 30}}},
     [("media.json", "120", "/default/record_min_sec")]),
    ({"media": {"store_recordings": False, "third_party_bigcouch_host": "https://couch.example.com"}},
     [("media.json", "121", "/third_party_bigcouch_host")]),
    ({"media": {"third_party_bigcouch_host": "http://10.1.2.3:5984"}},
     [("media.json", "091", "/third_party_bigcouch_host")]),
    ({"media": {"vad_mode": 3}}, [("media.json", "121", "/vad_mode")]),
    ({"media": {"mp3_bitrate_kbps": 64}}, [("media.json", "126", "/mp3_bitrate_kbps")]),
    ({"delivery": {"allow_networks": ["0.0.0.0/0"]}}, [("delivery.json", "123", "/allow_networks")]),
    ({"delivery": {"allow_networks": ["169.254.0.0/16"]}}, [("delivery.json", "123", "/allow_networks")]),
    ({"delivery": {"allow_networks": ["10.0.0.0/8", "10.1.0.0/16"]}},
     [("delivery.json", "121", "/allow_networks")]),
    ({"delivery": {"allow_networks": ["93.184.216.0/24"]}}, [("delivery.json", "121", "/allow_networks")]),
    ({"delivery": {"parallel": 2, "parallel_per_host": 4}}, [("delivery.json", "121", "/parallel_per_host")]),
    ({"sip": {"registration_min_s": 600, "registration_max_s": 300}},
     [("sip.json", "124", "/registration_min_s")]),
    ({"sip": {"max_calls": 10, "max_calls_per_account": 20}},
     [("sip.json", "121", "/max_calls_per_account")]),
    ({"medai": {"record_min_sec": 1}}, [("medai.json", "125", "")]),
    ({"media": {"record_stero": True}}, [("media.json", "074", "/record_stero")]),
    ({"media": {"record_min_sec": "often"}}, [("media.json", "070", "/record_min_sec")]),
    ({"media": {"record_min_sec": 3, "max_recording_time_limit": 60, "silence_detector": "vad",
                "vad_mode": 1, "mp3_bitrate_kbps": 32}}, []),
    ({"delivery": {"allow_networks": ["10.0.0.0/8", "192.168.0.0/16", "fd00::/8"]}}, []),
    ({"sip": {"session_expires_s": 0, "session_min_s": 900}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "expected"), SYSTEM, ids=lambda value: json.dumps(value)[:60])
def test_settings_against_settings(
    settings: dict[str, Any], expected: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    assert told(house(tmp_path, **settings)) == expected


ACCOUNTS: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({"flow": node("record_call", START), "media": {"store_recordings": False}},
     [("a.json", "086", "/flow/data"), ("media.json", "122", "/store_recordings")]),
    ({"flow": node("record_call", TO_URL), "media": {"store_recordings": False}}, []),
    ({"flow": node("record_call", TO_URL), "configs": {"media": {"store_recordings": False}}}, []),
    ({"flow": node("record_call", TO_INSIDE)}, [("a.json", "091", "/flow/data/url")]),
    ({"flow": node("record_call", TO_INSIDE),
      "delivery": {"allow_networks": ["10.1.0.0/16"]}}, []),
    ({"configs": {"media": {"record_min_sec": 20000}}},
     [("account.json", "120", "/configs/media/record_min_sec")]),
    ({"configs": {"delivery": {"parallel": 2}}}, [("account.json", "125", "/configs/delivery")]),
    ({"flow": node("record_call", {**START, "silence_detection": True}),
      "configs": {"media": {"silence_timeout_unit": "ms"}}},
     [("a.json", "082", "/flow/data/silence_detection")]),
    ({"flow": node("record_call", {**START, "record_sample_rate": 48000})},
     [("a.json", "126", "/flow/data/record_sample_rate")]),
    ({"flow": node("record_call", {**START, "record_sample_rate": 16000})}, []),
    ({"flow": node("record_call", {**START, "format": "wav"}), "media": {"mp3_quality": 2}},
     [("media.json", "121", "/mp3_quality")]),
    ({"flow": node("record_call", START), "media": {"mp3_quality": 2}}, []),
    ({"flow": node("record_call", START), "media": {"call_recording": {"url_metadata": True}}},
     [("media.json", "121", "/call_recording/url_metadata")]),
    ({"callflow": {"operator_key": "9"}, "vmbox": True}, [("callflow.json", "121", "/operator_key")]),
    ({"callflow": {"operator_key": "1"}, "vmbox": True}, []),
    ({"callflow": {"operator_key": "9"}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), ACCOUNTS, ids=lambda value: json.dumps(value)[:60])
def test_accounts_against_settings(
    given: dict[str, Any], expected: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    assert told(house(tmp_path, **given)) == expected


def test_effective_values_with_their_origins(tmp_path: Path) -> None:
    folder = house(tmp_path, media={"record_min_sec": 2}, configs={"media": {"record_stereo": False}})
    body = lint(folder)[1]
    values = {each["name"]: (each["value"], each["source"]) for each in body["settings"]}
    assert values["media.record_min_sec"] == (2, "user")
    assert values["media.max_recording_time_limit"] == (10800, "shipped")
    assert [(each["name"], each["value"]) for each in body["accounts"]["acme"]] == [
        ("media.record_stereo", False)
    ]


def test_exit_codes_and_text(tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app_for("lint-config"), ["lint-config", *words])
        return done.exit_code, done.output

    folder = str(house(tmp_path, media={"vad_mode": 3}, configs={"media": {"record_min_sec": 5}}))
    code, said = run(folder)
    assert code == 0 and "media.vad_mode" in said and "account acme" in said
    assert "media.json:2:2  CF-CHK-121  warning:" in said and said.endswith("1 account: 1 warning\n")
    assert run(folder, "--strict")[0] == 1
    assert "media.mp3_quality" in run(folder, "--all")[1]
    write(tmp_path / "system_config" / "media.json", {"record_min_sec": 20000})
    assert run(folder)[0] == 1
    assert run(str(tmp_path / "accounts"))[0] == 0
    assert run(str(tmp_path / "system_config"))[0] == 1
    (tmp_path / "empty").mkdir()
    assert run(str(tmp_path / "empty"))[0] == 2


def test_what_ships_is_in_order() -> None:
    for folder in (examples_dir(), examples_dir() / "office", examples_dir().parent / "system_config"):
        code, body = lint(folder)
        assert (code, body["problems"]) == (0, []), folder
