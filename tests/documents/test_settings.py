"""system_config: which document wins, where each value came from, and what is refused."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from callflow.documents.settings import Origin, Settings, flatten, for_account, load_settings
from callflow.documents.shipped import system_config_dir
from callflow.errors import SettingsError


def _write(folder: Path, name: str, document: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLFLOW_SYSTEM_CONFIG", raising=False)


def test_shipped_settings_are_the_documented_ones() -> None:
    settings = load_settings()
    assert settings.media.max_recording_time_limit == 10800 and settings.media.store_recordings is True
    assert settings.media.call_recording.extension == "mp3" and settings.callflow.max_branch_count == 50
    assert settings.delivery.allow_networks == ()
    shipped = Origin("shipped", str(system_config_dir() / "media.json"))
    assert settings.origins["media.call_recording.extension"] == shipped


def test_the_users_document_lies_over_key_by_key(tmp_path: Path) -> None:
    document = {"record_stereo": "false", "call_recording": {"extension": "wav"}, "pvt_x": 1, "_id": "media"}
    path = _write(tmp_path / "mine", "media", document)
    settings = load_settings(tmp_path / "mine")
    assert settings.media.record_stereo is False and settings.media.call_recording.extension == "wav"
    assert settings.media.call_recording.url_metadata is False
    assert settings.origins["media.record_stereo"] == Origin("user", str(path))
    assert settings.origins["media.call_recording.url_metadata"].source == "shipped"


def test_where_the_users_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, count in (("system_config", 1), ("env", 2), ("option", 3)):
        _write(tmp_path / place, "callflow", {"max_branch_count": count})
    assert load_settings().callflow.max_branch_count == 1
    monkeypatch.setenv("CALLFLOW_SYSTEM_CONFIG", str(tmp_path / "env"))
    assert load_settings().callflow.max_branch_count == 2
    assert load_settings(tmp_path / "option").callflow.max_branch_count == 3


def test_the_shape_that_kazoo_stores(tmp_path: Path) -> None:
    document = {
        "default": {"record_min_sec": 3, "call_recording": {"extension": "wav"}},
        f"ecallmgr@{platform.node()}": {"record_min_sec": 4},
        "ecallmgr@elsewhere.example": {"record_min_sec": 5},
    }
    assert flatten(document) == {"record_min_sec": 4, "call_recording": {"extension": "wav"}}
    _write(tmp_path / "mine", "media", document)
    assert load_settings(tmp_path / "mine").media.record_min_sec == 4


def test_arguments_win() -> None:
    settings = load_settings(overrides={"media.call_recording.extension": "wav", "delivery.parallel": 3})
    assert settings.media.call_recording.extension == "wav" and settings.delivery.parallel == 3
    assert settings.origins["delivery.parallel"] == Origin("argument")
    with pytest.raises(SettingsError):
        load_settings(overrides={"nothing.at_all": 1})


def test_an_account_overlays_media_but_never_delivery() -> None:
    account = {"configs": {"media": {"record_stereo": False}, "delivery": {"allow_networks": ["0.0.0.0/0"]}}}
    base = load_settings()
    settings = for_account(base, account, "acme/account.json")
    assert settings.media.record_stereo is False and settings.delivery == base.delivery
    assert settings.origins["media.record_stereo"] == Origin("account", "acme/account.json")
    assert base.media.record_stereo is True and base.origins["media.record_stereo"].source == "shipped"
    assert for_account(base, {}) is base


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("media", '{"record_stereo": 7}', "media.record_stereo is not true or false"),
        ("media", '{"vad_mode": 9}', "media.vad_mode is over 3"),
        ("delivery", '{"parallel": 1,}', "delivery.json:1:15"),
        ("delivery", "[]", "is not a JSON object"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    _write(tmp_path / "mine", name, {})
    (tmp_path / "mine" / f"{name}.json").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "mine")
    assert said in str(caught.value) and caught.value.hint


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        load_settings(tmp_path / "nowhere")


def test_settings_are_plain_values() -> None:
    settings: Settings = load_settings()
    assert all(
        isinstance(name, str) and isinstance(origin, Origin) for name, origin in settings.origins.items()
    )
