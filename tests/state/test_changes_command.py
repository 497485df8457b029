"""``callflow changes``: what calls have changed is listed, shown without secrets, and taken back."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import callflow.cli
from callflow.documents.changes import Changes, combine
from callflow.state.changes import forget_change, keep_change, list_changes
from callflow.state.database import Database
from callflow.state.folder import StateFolder

KEPT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("acme", "user", "alice", {"do_not_disturb": {"enabled": True}, "hotdesk": {"pin": "8642"}}),
    ("acme", "vmbox", "box", {"pin": "97531", "media": {"unavailable": None}}),
    ("other", "user", "alice", {"call_forward": {"number": "2002"}}),
]


def keep(database: Database, account: str, kind: str, id: str, patch: dict[str, Any]) -> int:
    after = partial(combine, then=patch, document={})
    return database.run(lambda conn: keep_change(conn, account, kind, id, after, 12.5)).revision


@pytest.fixture
def state(tmp_path: Path) -> Path:
    database = Database.open(StateFolder.open(tmp_path / "state").database)
    for row in KEPT:
        keep(database, *row)
    database.close()
    return tmp_path / "state"


def command(state: Path, *words: str) -> Result:
    app = callflow.cli.app_for("changes")
    return CliRunner().invoke(app, ["changes", *words, "--state", str(state)])


def test_they_are_listed_without_pins(state: Path) -> None:
    said = command(state, "list")
    titles, *rows = said.stdout.splitlines()
    assert titles.split() == ["kind", "id", "account", "changed", "what"] and len(rows) == 3
    assert 'do_not_disturb.enabled=true, hotdesk.pin="***"' in rows[0]
    assert "media.unavailable=removed" in rows[1]
    shown = command(state, "show", "vmbox", "box")
    as_json = command(state, "list", "-o", "json", "--account", "acme")
    assert [row["patch"]["pin"] for row in json.loads(as_json.stdout) if row["kind"] == "vmbox"] == ["***"]
    for result in (said, shown, as_json):
        assert result.exit_code == 0 and "97531" not in result.output and "8642" not in result.output


def test_one_is_forgotten_and_no_other(state: Path) -> None:
    both = command(state, "forget", "user", "alice")
    assert both.exit_code == 2 and "acme, other" in both.output
    assert command(state, "forget", "user", "alice", "--account", "acme").exit_code == 0
    assert command(state, "forget", "user", "alice", "--account", "acme").exit_code == 2, "it is forgotten"
    left = json.loads(command(state, "list", "-o", "json").stdout)
    assert [(row["account_id"], row["kind"]) for row in left] == [("acme", "vmbox"), ("other", "user")]
    command(state, "forget", "vmbox", "box")
    command(state, "forget", "user", "alice")
    assert command(state, "list").stdout == "calls have changed nothing\n"


def test_a_process_that_runs_follows_the_change_after(state: Path) -> None:
    database = Database.open(StateFolder.open(state).database)
    seen = Changes()
    for row in database.run(list_changes):
        if row.account_id == "other":
            seen.put(row.kind, row.document_id, row.patch, row.revision)
    database.run(lambda conn: forget_change(conn, "other", "user", "alice"))
    revision = keep(database, "other", "user", "alice", {"call_forward": {"enabled": False}})
    seen.put("user", "alice", {"call_forward": {"enabled": False}}, revision)
    assert seen.patch("user", "alice") == {"call_forward": {"enabled": False}}
    database.close()
