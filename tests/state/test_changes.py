"""What calls change in documents: kept, combined, laid over what is on disk."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callflow.documents.accounts import Account, seated
from callflow.documents.changes import Changes, combine, merge
from callflow.errors import StorageError
from callflow.state.changes import PATCH_LIMIT_BYTES, forget_change, keep_change, list_changes
from callflow.state.database import Database

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3),
    lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3) | st.lists(below, max_size=2),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [  # RFC 7396, appendix A, those whose target and patch are objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_is_that_of_the_rfc(document: Any, patch: Any, result: Any) -> None:
    before = repr(document)
    assert merge(document, patch) == result
    assert repr(document) == before


@given(document=OBJECTS, first=OBJECTS, then=OBJECTS)
@example(document={"a": {"a": {"a": None}}}, first={"a": None}, then={"a": {"a": {}}})
@settings(max_examples=60)
def test_one_patch_does_what_two_did(document: Any, first: Any, then: Any) -> None:
    both = combine(first, then, document)
    assert merge(document, both) == merge(merge(document, first), then)


def test_changes_are_kept_and_combined(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")

    def change(account: str, patch: dict[str, Any]) -> None:
        after = partial(combine, then=patch, document={})
        database.run(lambda conn: keep_change(conn, account, "user", "alice", after, 12.5))

    change("acme", {"do_not_disturb": {"enabled": True}})
    change("acme", {"call_forward": {"number": "2002"}})
    change("other", {"pin": "1234"})
    database.close()
    database = Database.open(tmp_path / "x.db")
    rows = database.run(lambda conn: list_changes(conn, account_id="acme"))
    assert [(row.document_id, row.patch, row.revision, row.changed_wall) for row in rows] == [
        ("alice", {"do_not_disturb": {"enabled": True}, "call_forward": {"number": "2002"}}, 2, 12.5)
    ]
    assert database.run(lambda conn: forget_change(conn, "acme", "user", "alice"))
    assert not database.run(lambda conn: forget_change(conn, "acme", "user", "alice"))
    left = [(row.account_id, row.patch, row.revision) for row in database.run(list_changes)]
    assert left == [("acme", {}, 3), ("other", {"pin": "1234"}, 1)], (
        "a process that runs sees what comes after"
    )
    with pytest.raises(StorageError, match="too large"):
        change("acme", {"x": "y" * PATCH_LIMIT_BYTES})
    database.run(lambda conn: conn.execute("UPDATE changes SET patch = '{'"))
    assert [row.patch for row in database.run(list_changes)] == [{}, {}], "damage does not stop an engine"
    database.close()


def test_an_account_shows_what_was_changed() -> None:
    alice, bob = {"id": "alice", "first_name": "Alice", "enabled": True}, {"id": "bob"}
    account = Account("acme", documents={"user": {"alice": alice, "bob": bob}})
    assert account.all("user") is account.documents["user"], "nothing changed, nothing copied"
    account.changes.put("user", "alice", {"do_not_disturb": {"enabled": True}}, 2)
    account.changes.put("user", "alice", {"do_not_disturb": {"enabled": False}}, 1)  # late
    account.changes.put("user", "gone", {"x": 1}, 1)
    account.changes.put("presence", "100", {"status": "busy"}, 1)
    assert account.get("user", "alice") == {**alice, "do_not_disturb": {"enabled": True}}
    assert set(account.all("user")) == {"alice", "bob"}, "a patch makes no document of a kind with a folder"
    assert account.all("user") is account.all("user")
    assert account.get("presence", "100") == {"status": "busy"}
    assert account.documents["user"]["alice"] == alice
    al = {**alice, "first_name": "Al"}
    anew = replace(account, documents={"user": {"alice": al}})
    assert anew.get("user", "alice") == {**al, "do_not_disturb": {"enabled": True}}
    assert replace(anew, changes=Changes()).get("user", "alice") == al


def test_a_device_belongs_to_who_sits_at_it() -> None:
    account = Account("acme", documents={"device": {"d": {"id": "d", "owner_id": "alice"}}})

    def owner() -> object:
        device = account.get("device", "d")
        assert device is not None
        return device.get("owner_id")

    account.changes.put("device", "d", {"hotdesk": {"users": {"bob": {}}}}, 1)
    assert owner() == "bob"
    account.changes.put("device", "d", {"hotdesk": {"users": {"bob": {}, "carol": {}}}}, 2)
    assert owner() == "carol"
    account.changes.put("device", "d", {"hotdesk": {"users": {"bob": None, "carol": None}}}, 3)
    assert owner() == "alice"
    on_disk = seated({"owner_id": "alice", "hotdesk": {"users": {"bob": {}}}})
    assert on_disk["owner_id"] == "bob"
    assert seated(merge(on_disk, {"hotdesk": {"users": {"bob": None}}}))["owner_id"] == "alice"
