"""Layer 1: the rows of what calls have changed in account documents: a merge patch (RFC 7396) a document.

Every function takes a connection inside a transaction: call it through ``Database.run`` / ``arun`` /
``submit``. How a patch lies over its document is ``callflow/documents/changes.py``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from callflow.errors import StorageError

PATCH_LIMIT_BYTES = 256 * 1024
"""The largest patch that is kept of one document."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What calls have changed in one document, all of it. ``revision``: counts its changes, from 1."""

    account_id: str
    kind: str
    document_id: str
    patch: Mapping[str, Any]
    revision: int
    changed_wall: float


def keep_change(
    conn: sqlite3.Connection,
    account_id: str,
    kind: str,
    document_id: str,
    combine: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    wall: float,
) -> ChangeRow:
    """Keep ``combine(patch so far)`` ({}: none) as the document's patch; changes of two calls at one moment
    are combined one after the other. Raises StorageError for a patch that would be too large.
    """
    key = (account_id, kind, document_id)
    seen = conn.execute(
        "SELECT patch, revision FROM changes WHERE account_id = ? AND kind = ? AND document_id = ?", key
    ).fetchone()
    patch = combine(_patch(seen[0]) if seen else {})
    revision = (seen[1] if seen else 0) + 1
    text = json.dumps(patch, ensure_ascii=False)
    if len(text.encode("utf-8", "surrogatepass")) > PATCH_LIMIT_BYTES:
        raise StorageError(
            f"what calls changed in {kind} {document_id!r} of account {account_id!r} is too large to keep",
            hint=f"at most {PATCH_LIMIT_BYTES} bytes are kept of one document",
        )
    conn.execute("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?, ?)", (*key, text, revision, wall))
    return ChangeRow(*key, patch, revision, wall)


def list_changes(conn: sqlite3.Connection, *, account_id: str = "") -> list[ChangeRow]:
    """Everything that calls have changed (of one account), by account, kind and id."""
    found = conn.execute(
        "SELECT account_id, kind, document_id, patch, revision, changed_wall FROM changes "
        "WHERE ? IN ('', account_id) ORDER BY account_id, kind, document_id",
        (account_id,),
    )
    return [
        ChangeRow(account, kind, id, _patch(text), revision, wall)
        for account, kind, id, text, revision, wall in found
    ]


def forget_change(conn: sqlite3.Connection, account_id: str, kind: str, document_id: str) -> bool:
    """Let the document be as it is on disk again; False if nothing was changed. A process that runs keeps
    what it has read until a call changes the document again, or it starts anew: the empty patch that stays
    goes on counting, so that it sees that change as the newer one.
    """
    done = conn.execute(
        "UPDATE changes SET patch = '{}', revision = revision + 1 "
        "WHERE account_id = ? AND kind = ? AND document_id = ? AND patch <> '{}'",
        (account_id, kind, document_id),
    )
    return done.rowcount > 0


def _patch(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:  # a damaged row must not keep an engine from starting
        return {}
    return value if isinstance(value, dict) else {}
