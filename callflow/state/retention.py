"""Layer 1: which recordings have had their time, and which could make room. Queries only.

Never one that is held, that is being made, that failed (its spool is all there is of it), whose file still
has to be delivered, or whose transcript is still to be made; and never messages and greetings of mailboxes,
which belong to their mailbox.
Every function takes a connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from callflow.state.account_documents import keeping_of, keeping_of_all, lifetimes_of
from callflow.state.erasing import hold_of
from callflow.state.quota import WHOLE_FOLDER

DAY_S = 86_400.0
BATCH = 200
"""So many recordings are named at a time."""

_ERASABLE = """
    r.finished_wall > 0 AND r.state IN ('READY', 'DISCARDED', 'CANCELLED')
    AND r.origin NOT IN ('voicemail', 'voicemail greeting')
    AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.recording_id = r.id AND h.released_wall = 0)
    AND NOT EXISTS (
        SELECT 1 FROM transcripts t WHERE t.recording_id = r.id AND t.state IN ('WANTED', 'RUNNING'))
    AND NOT EXISTS (
        SELECT 1 FROM deliveries d WHERE d.recording_id = r.id AND CASE d.kind
            WHEN 'event' THEN d.state IN ('QUEUED', 'WAITING', 'SENDING')
            ELSE d.state <> 'DELIVERED' AND NOT (d.state IN ('DEAD', 'CANCELLED') AND :dead) END
    )
"""


def expired(conn: sqlite3.Connection, wall: float, limit: int = BATCH) -> list[str]:
    """Ids of at most ``limit`` recordings whose account, or whose application, has kept them long enough."""
    found: list[str] = []
    for account_id, rules in keeping_of_all(conn).items():
        if account_id == WHOLE_FOLDER:
            continue
        days = _days(rules)
        if days:
            found += _older(conn, account_id, rules, wall - days * DAY_S, limit - len(found))
        for application_id, ttl in lifetimes_of(conn, account_id).items():
            if ttl > 0 and not 0 < days <= ttl:
                before = wall - ttl * DAY_S
                found += _older(conn, account_id, rules, before, limit - len(found), application_id)
        if len(found) >= limit:
            break
    return list(dict.fromkeys(found))


def oldest_erasable(conn: sqlite3.Connection, account_id: str, limit: int = BATCH) -> list[tuple[str, int]]:
    """Ids and bytes of recordings of an account (or of all) that may go to make room, the oldest first."""
    whose = "" if account_id == WHOLE_FOLDER else "r.account_id = :account AND "
    values = {"account": account_id, "dead": _also_dead(keeping_of(conn, account_id)), "limit": limit}
    found = conn.execute(
        f"SELECT r.id, r.bytes FROM recordings r WHERE {whose} r.file <> '' AND {_ERASABLE} "
        "ORDER BY r.finished_wall, r.id LIMIT :limit",
        values,
    )
    return [(id, size) for id, size in found]


def expires_at(conn: sqlite3.Connection, recording_id: str) -> float | None:
    """When a recording will have had its time (seconds since 1970), whatever may still keep it; None: never,
    or it is held, or nothing is known of it.
    """
    found = conn.execute(
        "SELECT account_id, finished_wall, origin, json_extract(document, '$.application_id') "
        "FROM recordings WHERE id = ? AND finished_wall > 0 AND json_valid(document)",
        (recording_id,),
    ).fetchone()
    if found is None or found[2].startswith("voicemail") or hold_of(conn, recording_id):
        return None
    account_id, finished, _, application_id = found
    days = [_days(keeping_of(conn, account_id)), lifetimes_of(conn, account_id).get(application_id, 0.0)]
    some = [each for each in days if each > 0]
    return finished + min(some) * DAY_S if some else None


def _older(
    conn: sqlite3.Connection,
    account_id: str,
    rules: Mapping[str, Any],
    before: float,
    limit: int,
    application_id: str = "",
) -> list[str]:
    if limit <= 0:
        return []
    narrower = (
        "AND json_valid(r.document) AND json_extract(r.document, '$.application_id') = :application"
        if application_id
        else ""
    )
    values = {
        "account": account_id,
        "before": before,
        "application": application_id,
        "dead": _also_dead(rules),
        "limit": limit,
    }
    found = conn.execute(
        "SELECT r.id FROM recordings r INDEXED BY recordings_finished WHERE r.account_id = :account "
        f"AND r.finished_wall <= :before AND {_ERASABLE} {narrower} "
        "ORDER BY r.finished_wall LIMIT :limit",
        values,
    )
    return [row[0] for row in found]


def _days(rules: Mapping[str, Any]) -> float:
    days = rules.get("retention_days")
    return float(days) if isinstance(days, int | float) and days > 0 else 0.0


def _also_dead(rules: Mapping[str, Any]) -> bool:
    return rules.get("erase_undelivered") is True
