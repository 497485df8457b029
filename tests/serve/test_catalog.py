"""All documents of a server, read and judged at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from callflow.cli.check import around
from callflow.documents.catalog import (
    Refusal,
    account_folders,
    differences,
    fingerprint,
    read_catalog,
)
from callflow.errors import MissingDocument
from tests.serve.accounts import RECORD, account, catalog, write


def refused(accounts: Path, system_config: Path | None = None) -> list[str]:
    """Why it is not used."""
    found = read_catalog(accounts, system_config, around)
    assert isinstance(found, Refusal)
    return found.lines()


def test_a_folder_of_accounts_or_one_account(tmp_path: Path) -> None:
    one = account(tmp_path / "all" / "one", {"100": RECORD})
    two = account(tmp_path / "all" / "two", {})
    (tmp_path / "all" / "notes").mkdir()
    assert account_folders(tmp_path / "all") == [one, two]
    assert account_folders(one) == [one]
    with pytest.raises(MissingDocument, match="no account"):
        account_folders(tmp_path / "all" / "notes")
    with pytest.raises(MissingDocument, match="no folder"):
        account_folders(tmp_path / "nowhere")


def test_each_account_has_its_own_settings(tmp_path: Path) -> None:
    account(tmp_path / "one", {}, configs={"media": {"record_min_sec": 7}})
    account(tmp_path / "two", {"100": RECORD})
    found = catalog(tmp_path)
    assert {id: tenant.settings.media.record_min_sec for id, tenant in found.tenants.items()} == {
        "one": 7,
        "two": 0,
    }
    assert list(found.accounts["two"].all("callflow")) == ["n100"]


def test_a_mistake_anywhere_refuses_the_whole_set_and_says_where(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    account(accounts / "good", {"100": RECORD})
    bad = account(accounts / "bad", {}) / "callflows" / "bad.json"
    write(bad, {"numbers": ["200"], "flow": {"module": "record_call", "data": {"action": "strat"}}})
    (line,) = refused(accounts)
    assert line.startswith(f"{bad}:8:17  CF-CHK-071  error: ")
    bad.write_text('{"numbers": [')
    (line,) = refused(accounts)
    assert line.startswith(f"{bad}:1:14  CF-CHK-0")


def test_a_mistake_in_system_config_is_shown_with_its_place(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})
    file = write(tmp_path / "system_config" / "media.json", {"record_min_sec": "soon"})
    lines = refused(tmp_path / "accounts", tmp_path / "system_config")
    assert lines[0].startswith(f"{file}:2:21  CF-CHK-070  error: ")
    assert "media.record_min_sec" in lines[-1]


def test_two_folders_with_one_id_are_refused(tmp_path: Path) -> None:
    account(tmp_path / "one", {}, id="same")
    account(tmp_path / "two", {}, id="same")
    assert "both account 'same'" in refused(tmp_path)[0]


def test_what_is_different_is_said_in_words(tmp_path: Path) -> None:
    config = tmp_path / "config"
    accounts = tmp_path / "accounts"
    account(accounts / "one", {"100": RECORD, "101": RECORD})
    account(accounts / "two", {})
    write(config / "media.json", {"record_min_sec": 1})
    before = catalog(accounts, config)
    assert differences(before, before) == []
    write(accounts / "one" / "account.json", {"name": "One"})
    (accounts / "one" / "callflows" / "n101.json").unlink()
    write(accounts / "one" / "callflows" / "n100.json", {"numbers": ["1"], "flow": RECORD})
    write(accounts / "one" / "users" / "eve.json", {"first_name": "Eve"})
    (accounts / "two" / "account.json").unlink()
    account(accounts / "three", {})
    write(config / "media.json", {"record_min_sec": 2})
    assert differences(before, catalog(accounts, config)) == [
        "account three added",
        "account two removed",
        "account one: account.json changed",
        "account one: callflow n101 removed",
        "account one: callflow n100 changed",
        "account one: user eve added",
        "setting media.record_min_sec is now 2",
    ]


def test_secrets_in_settings_are_not_told(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {})
    write(tmp_path / "config" / "media.json", {"record_min_sec": 1})
    before = catalog(tmp_path / "accounts", tmp_path / "config")
    host = {"third_party_bigcouch_host": "http://couch:s3cret@192.0.2.1:5984", "record_min_sec": 1}
    write(tmp_path / "config" / "media.json", host)
    (said,) = differences(before, catalog(tmp_path / "accounts", tmp_path / "config"))
    assert said == "setting media.third_party_bigcouch_host is now 'http://***@192.0.2.1:5984'"


def test_a_folder_that_cannot_be_listed_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(self))

    account(tmp_path / "one", {})
    monkeypatch.setattr(Path, "iterdir", gone)
    assert refused(tmp_path) == [f"CF-DOC-003  error: {tmp_path} cannot be read: No such file or directory"]


def test_a_changed_added_or_removed_file_changes_the_fingerprint(tmp_path: Path) -> None:
    account(tmp_path / "one", {"100": RECORD})
    seen = [fingerprint([tmp_path])]
    flow = tmp_path / "one" / "callflows" / "n100.json"
    write(flow, {"numbers": ["1"], "flow": RECORD})
    seen.append(fingerprint([tmp_path]))
    write(tmp_path / "one" / "users" / "eve.json", {})
    seen.append(fingerprint([tmp_path]))
    flow.unlink()
    seen.append(fingerprint([tmp_path]))
    assert all(seen[i] != seen[j] for i in range(4) for j in range(i))
    assert fingerprint([tmp_path]) == seen[-1]
