"""Layer 1: what the outbox must know of accounts, kept beside it: how to send for them, and their webhooks.

Whoever reads an account's folder puts these in; then every process that finishes or delivers recordings of
this state folder has them, also one that knows no accounts, and at once after a crash. Secrets are not in
them: a document only names where one stands (``documents/secrets.py``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

DELIVERY = "delivery"
"""Kind: ``delivery`` of ``account.json``, under the id ``account``."""
WEBHOOK = "webhook"
STORAGE = "storage"
"""Kind: ``storage.json``, under the id ``account``."""
KEEPING = "recordings"
"""Kind: how long recordings are kept, what room they may take, to whom they are sealed; under the id
``account``. Of the state folder as a whole: the account without a name.
"""
LIFETIME = "lifetime"
"""Kind: ``recording_ttl_days`` of an application, under its id, in ``days``. One that is no application of
the account any more keeps it: its recordings are still here.
"""
_OWN = "account"


def put_account(
    conn: sqlite3.Connection,
    account_id: str,
    delivery: Mapping[str, Any],
    webhooks: Mapping[str, Mapping[str, Any]],
) -> None:
    """What is known of the account from now on. ``webhooks``: its documents by id."""
    conn.execute(
        "DELETE FROM account_documents WHERE account_id = ? AND kind IN (?, ?)",
        (account_id, DELIVERY, WEBHOOK),
    )
    rows = [(account_id, DELIVERY, _OWN, delivery)] if delivery else []
    rows += [(account_id, WEBHOOK, id, document) for id, document in webhooks.items()]
    conn.executemany(
        "INSERT INTO account_documents VALUES (?, ?, ?, ?)",
        [(*key, json.dumps(document, ensure_ascii=False)) for *key, document in rows],
    )


def delivery_of(conn: sqlite3.Connection, account_id: str) -> Mapping[str, Any]:
    """``delivery`` of the account's document; empty: nothing of its own."""
    return _documents(conn, account_id, DELIVERY).get(_OWN, {})


def deliveries_of_all(conn: sqlite3.Connection) -> dict[str, Mapping[str, Any]]:
    """The same of every account that has any, by its id."""
    rows = conn.execute("SELECT account_id, document FROM account_documents WHERE kind = ?", (DELIVERY,))
    return {account_id: _object(text) for account_id, text in rows}


def webhooks_of(conn: sqlite3.Connection, account_id: str) -> Mapping[str, Mapping[str, Any]]:
    """The account's webhooks by id, in the order of their ids."""
    return _documents(conn, account_id, WEBHOOK)


def put_storage(conn: sqlite3.Connection, account_id: str, storage: Mapping[str, Any]) -> None:
    """The account's storage plan from now on (empty: it has none), with the secrets it holds itself."""
    conn.execute("DELETE FROM account_documents WHERE account_id = ? AND kind = ?", (account_id, STORAGE))
    if storage:
        text = json.dumps(storage, ensure_ascii=False)
        conn.execute("INSERT INTO account_documents VALUES (?, ?, ?, ?)", (account_id, STORAGE, _OWN, text))


def storage_of(conn: sqlite3.Connection, account_id: str) -> Mapping[str, Any]:
    """The account's storage plan; empty: it has none."""
    return _documents(conn, account_id, STORAGE).get(_OWN, {})


def put_keeping(
    conn: sqlite3.Connection, account_id: str, rules: Mapping[str, Any], lifetimes: Mapping[str, float]
) -> None:
    """How the account keeps recordings from now on (``documents/keeping_rules.py``), and how many days those
    of its applications are kept, by the application's id.
    """
    rows = [(account_id, KEEPING, _OWN, dict(rules))]
    rows += [(account_id, LIFETIME, id, {"days": days}) for id, days in lifetimes.items()]
    conn.executemany(
        "INSERT INTO account_documents VALUES (?, ?, ?, ?) "
        "ON CONFLICT (account_id, kind, id) DO UPDATE SET document = excluded.document",
        [(*key, json.dumps(document, ensure_ascii=False)) for *key, document in rows],
    )


def keeping_of(conn: sqlite3.Connection, account_id: str) -> Mapping[str, Any]:
    """How the account keeps recordings; empty: nobody has said."""
    return _documents(conn, account_id, KEEPING).get(_OWN, {})


def keeping_of_all(conn: sqlite3.Connection) -> dict[str, Mapping[str, Any]]:
    """The same of every account that has said, by its id."""
    rows = conn.execute("SELECT account_id, document FROM account_documents WHERE kind = ?", (KEEPING,))
    return {account_id: _object(text) for account_id, text in rows}


def lifetimes_of(conn: sqlite3.Connection, account_id: str) -> dict[str, float]:
    """Days that recordings of the account's applications are kept, by the application's id."""
    return {
        id: float(value["days"])
        for id, value in _documents(conn, account_id, LIFETIME).items()
        if isinstance(value.get("days"), int | float)
    }


def _documents(conn: sqlite3.Connection, account_id: str, kind: str) -> dict[str, Mapping[str, Any]]:
    rows = conn.execute(
        "SELECT id, document FROM account_documents WHERE account_id = ? AND kind = ? ORDER BY id",
        (account_id, kind),
    )
    return {id: _object(text) for id, text in rows}


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:  # a damaged row must not hold up the whole outbox
        return {}
    return value if isinstance(value, dict) else {}
