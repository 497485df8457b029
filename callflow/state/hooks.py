"""Layer 1: webhooks of accounts: what happens becomes a message, in the transaction that writes it down.

Whoever writes a fact down calls ``announce_*`` with the same connection, so that a message is there exactly
if the fact is, and no crash comes between them. Its id follows from the webhook and the fact: written down
twice (recovery), it is still one message.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from callflow.clock import GREGORIAN_OFFSET_S, SystemClock
from callflow.log import logger, mask_url
from callflow.state.account_documents import webhooks_of
from callflow.state.events import Message, message_row
from callflow.state.records import DeliveryRow, RecordingRow, add_delivery

RECORDING = "recording"
ALL = frozenset({"*", "all"})
MOST_WAITING = 10_000
"""So many messages of one webhook may wait: what is more is not told, and logged."""
_END = {"READY": "finished", "DISCARDED": "discarded", "CANCELLED": "cancelled", "FAILED": "failed"}


def announce(
    conn: sqlite3.Connection,
    account_id: str,
    hook: str,
    body: Mapping[str, Any],
    *,
    fact: str,
    call_id: str = "",
    recording_id: str = "",
    only: Collection[str] | None = None,
) -> list[DeliveryRow]:
    """A message for each webhook of the account that wants ``hook`` (of ``only`` these, by id); gives those
    that are new. ``fact``: what happened, so that the same is never told twice.
    """
    made: list[DeliveryRow] = []
    wall = SystemClock().wall()  # the outbox goes by the machine's time, also while that of calls is virtual
    for id, document in webhooks_of(conn, account_id).items() if account_id else ():
        if document.get("enabled") is False or document.get("hook") not in {hook, *ALL}:
            continue
        if only is not None and id not in only:
            continue
        name = hashlib.sha256(f"webhook {account_id} {id} {hook} {fact}".encode()).hexdigest()[:12]
        if conn.execute("SELECT 1 FROM deliveries WHERE id = ?", (name,)).fetchone():
            continue
        if _waiting(conn, account_id, id) >= MOST_WAITING:
            logger.warning("webhook %s of account %s: %s is not told, too many wait", id, account_id, hook)
            continue
        said = {"hook_event": hook, "account_id": account_id, "webhook_id": id, **body}
        row = message_row(
            _message(document, {**said, **_custom(document)}),
            id=name,
            call_id=call_id,
            wall=wall,
            recording_id=recording_id,
            account_id=account_id,
            hook=id,
        )
        add_delivery(conn, row)
        made.append(row)
    return made


def announce_recording(
    conn: sqlite3.Connection,
    row: RecordingRow,
    action: str = "",
    more: Mapping[str, Any] | None = None,
    fact: str = "",
) -> list[DeliveryRow]:
    """The same for a recording that has changed. ``action``: how; empty: it has come to the end that ``row``
    says. ``more``: further keys of the message; ``fact``: tells apart what may happen more than once.
    """
    action = action or _END.get(row.state, "")
    if not action or not row.account_id or not webhooks_of(conn, row.account_id):
        return []
    body = {**recording_facts(row), "action": action, "timestamp": gregorian(), **(more or {})}
    return announce(
        conn,
        row.account_id,
        RECORDING,
        body,
        fact=f"{row.id} {action} {fact}",
        call_id=row.call_id,
        recording_id=row.id,
    )


def announce_erased(conn: sqlite3.Connection, row: RecordingRow, why: str, hooks: Collection[str]) -> None:
    """These webhooks had messages of a recording that were not sent yet, and were erased with it: one without
    its facts stands for them, so that nobody waits for an end that never comes.
    """
    body = {
        "recording_id": row.id,
        "call_id": row.call_id,
        "action": "erased",
        "state": "ERASED",
        "reason": why,
        "timestamp": gregorian(),
    }
    fact = f"{row.id} erased {row.started_wall}"
    announce(conn, row.account_id, RECORDING, body, fact=fact, call_id=row.call_id, only=hooks)


def recording_facts(row: RecordingRow) -> dict[str, Any]:
    """What a message says of a recording; null: not known, or not yet."""
    document = row.document
    return {
        "recording_id": row.id,
        "call_id": row.call_id,
        "state": row.state,
        "reason": row.reason or None,
        "message": row.message or None,
        "origin": row.origin or None,
        "label": row.label or None,
        "media_name": row.media_name or None,
        "from": document.get("from"),
        "to": document.get("to"),
        "format": row.format or None,
        "channels": row.channels or None,
        "start": int(row.started_wall) + GREGORIAN_OFFSET_S if row.started_wall else None,
        "duration_ms": int(row.seconds * 1000),
        "bytes": row.bytes or None,
        "sha256": row.sha256 or None,
        "url": mask_url(row.url) if row.url else None,
        "recovered": row.recovered,
    }


def gregorian() -> int:
    """Now, in Kazoo's seconds (since the year 0)."""
    return int(SystemClock().wall()) + GREGORIAN_OFFSET_S


def _message(document: Mapping[str, Any], body: Mapping[str, Any]) -> Message:
    retries = document.get("retries")
    return Message(
        str(document.get("uri", "")),
        str(document.get("http_verb", "post")).upper(),
        body,
        form=document.get("format") != "json",
        secrets=tuple(str(secret) for secret in document.get("secrets") or ()),
        retries=retries if isinstance(retries, int) else None,
    )


def _custom(document: Mapping[str, Any]) -> Mapping[str, Any]:
    custom = document.get("custom_data")
    return custom if isinstance(custom, Mapping) else {}


def _waiting(conn: sqlite3.Connection, account_id: str, hook: str) -> int:
    count: int
    (count,) = conn.execute(
        "SELECT count(*) FROM deliveries WHERE account_id = ? AND hook = ? AND hook <> '' "
        "AND state IN ('QUEUED', 'WAITING', 'SENDING')",
        (account_id, hook),
    ).fetchone()
    return count
