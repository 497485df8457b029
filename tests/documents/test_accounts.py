"""An account's folder: documents by id with their defaults, its audio, and what is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callflow.documents.accounts import Account
from callflow.errors import MissingDocument


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "acme"
    _write(root / "account.json", {"name": "Acme"})
    _write(root / "devices" / "desk.json", {"name": "Desk", "owner_id": "alice", "enabled": "false"})
    _write(root / "menus" / "m.json", {"_id": "main", "name": "Menu", "retries": 99})
    _write(root / "media" / "hello.json", {"name": "Hello"})
    _write(root / "media" / "named.json", {"name": "Named", "file": "other.mp3"})
    _write(root / "media" / "outside.json", {"name": "Outside", "file": "../account.json"})
    for name in ("hello.wav", "other.mp3"):
        (root / "media" / name).write_bytes(b"sound")
    (root / "users").mkdir()
    (root / "users" / "broken.json").write_text("{", encoding="utf-8")
    return root


def test_documents_by_id_with_defaults(folder: Path) -> None:
    account = Account.load(folder)
    assert account.id == "acme" and account.document["name"] == "Acme"
    desk = account.get("device", "desk")
    assert desk is not None and desk["owner_id"] == "alice" and desk["enabled"] is False
    menu = account.get("menu", "main")
    assert menu is not None and menu["retries"] == 10 and menu["timeout"] == 10000 and menu["media"] == {}
    assert account.get("menu", "m") is None and account.get("user", "broken") is None
    assert list(account.all("device")) == ["desk"] and account.all("vmbox") == {}


def test_audio_lies_beside_its_document_and_nowhere_else(folder: Path) -> None:
    account = Account.load(folder)
    assert account.media_file("hello") == folder / "media" / "hello.wav"
    assert account.media_file("named") == folder / "media" / "other.mp3"
    assert account.media_file("outside") is None and account.media_file("nothing") is None


def test_a_broken_document_is_told_and_left_out(folder: Path) -> None:
    broken = Account.load(folder).broken
    assert len(broken) == 1 and "broken.json:1:2" in str(broken[0])


def test_an_account_needs_a_folder_but_no_account_document(tmp_path: Path) -> None:
    with pytest.raises(MissingDocument):
        Account.load(tmp_path / "nowhere")
    assert Account.load(tmp_path).id == tmp_path.name
    assert Account.empty("x").get("user", "alice") is None
    _write(tmp_path / "account.json", {"id": "chosen"})
    assert Account.load(tmp_path).id == "chosen"


def test_an_accounts_settings_stay_as_written(folder: Path) -> None:
    """Filled-in defaults would lie over the operator's system_config."""
    _write(folder / "account.json", {"configs": {"media": {"record_stereo": "false"}}})
    assert Account.load(folder).document["configs"] == {"media": {"record_stereo": False}}
