"""Layer 2: the outbox: the states of a delivery as a table, and the queries that move rows along it.

Every function takes a connection inside a transaction (``Database.run``). A delivery in flight is held by a
lease: the name of who sends it and until when; nobody else touches it before the lease is over or its owner
is known to be dead. A success is a fact and is kept whoever reports it, however late.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from callflow.delivery.bounds import AccountBounds
from callflow.delivery.retry import LONGEST_WAIT_S, Decision, Next
from callflow.delivery.turns import Turns, due_hosts, due_of
from callflow.errors import StateError, UnknownDelivery
from callflow.state.events import KIND, read_message
from callflow.state.hooks import announce_recording
from callflow.state.records import (
    AttemptRow,
    DeliveryRow,
    RecordingRow,
    add_attempt,
    get_delivery,
    get_recording,
)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    QUEUED = "QUEUED"  # due at once
    WAITING = "WAITING"  # failed; due at next_wall
    SENDING = "SENDING"  # held by a lease
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"  # given up; the file is kept
    BLOCKED = "BLOCKED"  # refused by the address guard; the file is kept
    CANCELLED = "CANCELLED"  # by hand; the file is kept


class Happening(StrEnum):
    """What can happen to it."""

    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    GIVE_UP = "give up"
    BLOCK = "block"
    LOSE = "lose the sender"
    RETRY = "retry"
    CANCEL = "cancel"


_S, _H = DeliveryState, Happening

TABLE: Mapping[DeliveryState, Mapping[Happening, DeliveryState]] = {
    _S.QUEUED: {
        _H.CLAIM: _S.SENDING,
        _H.RETRY: _S.QUEUED,
        _H.CANCEL: _S.CANCELLED,
        _H.SUCCEED: _S.DELIVERED,
    },
    _S.WAITING: {
        _H.CLAIM: _S.SENDING,
        _H.RETRY: _S.QUEUED,
        _H.CANCEL: _S.CANCELLED,
        _H.SUCCEED: _S.DELIVERED,
    },
    _S.SENDING: {
        _H.SUCCEED: _S.DELIVERED,
        _H.FAIL: _S.WAITING,
        _H.GIVE_UP: _S.DEAD,
        _H.BLOCK: _S.BLOCKED,
        _H.LOSE: _S.WAITING,
        _H.CANCEL: _S.CANCELLED,
    },
    _S.DELIVERED: {_H.SUCCEED: _S.DELIVERED, _H.RETRY: _S.QUEUED},
    _S.DEAD: {_H.RETRY: _S.QUEUED, _H.CANCEL: _S.CANCELLED, _H.SUCCEED: _S.DELIVERED},
    _S.BLOCKED: {_H.RETRY: _S.QUEUED, _H.CANCEL: _S.CANCELLED, _H.SUCCEED: _S.DELIVERED},
    _S.CANCELLED: {_H.RETRY: _S.QUEUED, _H.SUCCEED: _S.DELIVERED},
}

_AFTER = {
    Next.DELIVERED: Happening.SUCCEED,
    Next.WAIT: Happening.FAIL,
    Next.DEAD: Happening.GIVE_UP,
    Next.BLOCKED: Happening.BLOCK,
}


_ANNOUNCED = {_S.DELIVERED: "delivered", _S.DEAD: "undelivered", _S.BLOCKED: "undelivered"}


def apply(state: DeliveryState, happening: Happening) -> DeliveryState:
    """The state after. Raises StateError for what the table does not allow."""
    after = TABLE[state].get(happening)
    if after is None:
        raise StateError(
            f"a delivery that is {state} cannot {happening}",
            hint=f"possible now: {', '.join(TABLE[state])}",
        )
    return after


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a sender holds: the delivery, and the recording it carries (of a message that is about none: one
    with a ``call_id`` only). ``account``: the ``delivery`` of its account's document.
    """

    delivery: DeliveryRow
    recording: RecordingRow
    account: Mapping[str, Any] = field(default_factory=dict, repr=False)


# ---- for the deliverer ----------------------------------------------------------------------


def claim(
    conn: sqlite3.Connection,
    owner: str,
    now: float,
    *,
    lease_s: float,
    limit: int,
    per_host: int,
    in_flight: Mapping[str, int],
    host_bound: Callable[[str], int] | None = None,
    per_account: int = 0,
    of_accounts: Mapping[str, int] | None = None,
    turns: Turns | None = None,
) -> list[Parcel]:
    """Take up to ``limit`` due deliveries, at most ``per_host`` to a host with those ``in_flight``, and at
    most ``per_account`` (0: any number) for an account with those ``of_accounts``, or what its own document
    says. ``host_bound``: says another bound for a host, or 0.

    The hosts take ``turns``, and the accounts of a host, so that a thousand files of one never stand before a
    single one of another.
    """
    turns = turns or Turns()
    found: list[tuple[str, list[tuple[str, str]]]] = []
    accounts = AccountBounds(conn, per_account, of_accounts or {})
    full = json.dumps(accounts.full())
    for host in due_hosts(conn, now, turns):
        if len(found) >= limit:
            break
        bound = (host_bound(host) if host_bound else 0) or per_host
        free = min(bound - in_flight.get(host, 0), limit)
        if free > 0:
            rows = due_of(conn, host, now, turns, without=full, limit=free)
            found += [(host, rows)] if rows else []
    taken: list[Parcel] = []
    while len(taken) < limit and any(waiting for _, waiting in found):
        for host, waiting in found:
            if waiting and len(taken) < limit:
                delivery_id, account_id = waiting.pop(0)
                if accounts.take(account_id):
                    turns.took(host, account_id)
                    taken.append(_take(conn, delivery_id, owner, now + lease_s, accounts.of(account_id)))
    return taken


def _take(
    conn: sqlite3.Connection, delivery_id: str, owner: str, until: float, account: Mapping[str, Any]
) -> Parcel:
    row = get_delivery(conn, delivery_id)
    row = replace(row, lease_owner=owner, lease_until=until, attempts=row.attempts + 1)
    if row.recording_id:
        recording = get_recording(conn, row.recording_id)
    else:
        recording = RecordingRow(id="", call_id=read_message(row)[1], account_id=row.account_id)
    return Parcel(_move(conn, row, Happening.CLAIM), recording, account)


def settle(
    conn: sqlite3.Connection, owner: str, attempt: AttemptRow, decision: Decision, now: float
) -> DeliveryRow | None:
    """Write how an attempt went and what is next. None: the recording was deleted meanwhile.

    If the lease is not ours any more, a success still counts; a failure is only kept in the history.
    """
    try:
        row = get_delivery(conn, attempt.delivery_id)
    except UnknownDelivery:
        return None
    add_attempt(conn, attempt)
    ours = row.state == DeliveryState.SENDING and row.lease_owner == owner
    if not ours and decision.next is not Next.DELIVERED:
        return row
    failed = decision.next is Next.WAIT
    settled = replace(
        row,
        lease_owner="",
        lease_until=0.0,
        next_wall=now + decision.delay_s,
        finished_wall=0.0 if decision.next is Next.WAIT else now,
        fast_failures=row.fast_failures + int(failed and not decision.slow),
        slow_failures=row.slow_failures + int(failed and decision.slow),
        last_status=attempt.status,
        last_error=attempt.error,
    )
    moved = _move(conn, settled, _AFTER[decision.next])
    if moved.state == DeliveryState.DELIVERED:  # not before: a resumed upload that is whole is not made anew
        conn.execute("DELETE FROM uploads WHERE delivery_id = ?", (moved.id,))
    if moved.recording_id and moved.kind != KIND and moved.state != row.state:
        _announce(conn, moved)
    return moved


def _announce(conn: sqlite3.Connection, row: DeliveryRow) -> None:
    """Webhooks hear of a file that has come to its end; each time it does, if it is sent again."""
    action = _ANNOUNCED.get(DeliveryState(row.state))
    if action is not None:
        how = {
            "delivery_id": row.id,
            "delivery_state": row.state,
            "attempts": row.attempts,
            "status": row.last_status,
            "error": row.last_error or None,
        }
        announce_recording(
            conn, get_recording(conn, row.recording_id), action, how, f"{row.id} {row.attempts}"
        )


def renew(
    conn: sqlite3.Connection, owner: str, sending: Collection[str], now: float, lease_s: float
) -> list[str]:
    """Hold on to what ``owner`` is ``sending`` (ids), give back what is only marked so and what others held
    too long; says who else sends. A clock that was put back holds nothing up: see LONGEST_WAIT_S.
    """
    for delivery_id, holder, until in conn.execute(
        "SELECT id, lease_owner, lease_until FROM deliveries WHERE state = 'SENDING'"
    ).fetchall():
        if holder == owner and delivery_id in sending:
            until = now + lease_s
        elif holder == owner or until <= now:
            _lose(conn, delivery_id, now)
            continue
        conn.execute(
            "UPDATE deliveries SET lease_until = ? WHERE id = ?", (min(until, now + lease_s), delivery_id)
        )
    conn.execute(
        "UPDATE deliveries SET next_wall = ?, since_wall = min(since_wall, ?) "
        "WHERE state IN ('QUEUED', 'WAITING') AND next_wall > ?",
        (now, now, now + LONGEST_WAIT_S),
    )
    others = conn.execute(
        "SELECT DISTINCT lease_owner FROM deliveries WHERE state = 'SENDING' AND lease_owner <> ?", (owner,)
    )
    return [row[0] for row in others]


def put_back(conn: sqlite3.Connection, now: float) -> None:
    """The machine's clock was put back, or may have been: what failed in the future is due now."""
    conn.execute(
        "UPDATE deliveries SET next_wall = :now, since_wall = min(since_wall, :now) "
        "WHERE state = 'WAITING' AND next_wall > :now AND :now + 1 < "
        "(SELECT max(started_wall) FROM attempts WHERE delivery_id = deliveries.id)",
        {"now": now},
    )


def release(conn: sqlite3.Connection, owner: str, now: float) -> list[DeliveryRow]:
    """Give back all that ``owner`` was sending (it ends, or is dead): due at once, and no failure."""
    rows = conn.execute("SELECT id FROM deliveries WHERE state = 'SENDING' AND lease_owner = ?", (owner,))
    return [_lose(conn, row[0], now) for row in rows.fetchall()]


def next_due(conn: sqlite3.Connection, now: float) -> float | None:
    """When the next delivery that is not due yet will be; None: there is none."""
    (due,) = conn.execute(
        "SELECT min(next_wall) FROM deliveries WHERE state IN ('QUEUED', 'WAITING') AND next_wall > ?", (now,)
    ).fetchone()
    return None if due is None else float(due)


def any_left(conn: sqlite3.Connection) -> bool:
    """Whether any delivery still has to be made."""
    (left,) = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state IN ('QUEUED', 'WAITING')) "
        "OR EXISTS (SELECT 1 FROM deliveries WHERE state = 'SENDING')"
    ).fetchone()
    return bool(left)


# ---- by hand --------------------------------------------------------------------------------


def retry(conn: sqlite3.Connection, delivery_id: str, now: float) -> DeliveryRow:
    """Send again, now and with a new schedule. Raises UnknownDelivery, StateError."""
    row = get_delivery(conn, delivery_id)
    if not row.file and row.kind != KIND:
        raise StateError(
            f"delivery {row.id} cannot be sent again: its file was removed once it was delivered",
            hint="delivery.keep_delivered of system_config keeps files",
        )
    fresh = replace(
        row,
        fast_failures=0,
        slow_failures=0,
        since_wall=now,
        next_wall=now,
        finished_wall=0.0,
        lease_owner="",
        lease_until=0.0,
    )
    return _move(conn, fresh, Happening.RETRY)


def hurry(conn: sqlite3.Connection, recording_id: str, now: float) -> None:
    """What waits for its next attempt is due now; where it stands on its schedule stays."""
    conn.execute(
        "UPDATE deliveries SET next_wall = ? WHERE recording_id = ? AND state = 'WAITING'",
        (now, recording_id),
    )


def retry_many(
    conn: sqlite3.Connection, now: float, *, host: str = "", since: float = 0.0, until: float | None = None
) -> list[DeliveryRow]:
    """Send again all that is dead, blocked or waiting: of one host, of a time of making, or all."""
    rows = conn.execute(
        "SELECT id FROM deliveries WHERE state IN ('DEAD', 'BLOCKED', 'WAITING') "
        "AND (file <> '' OR kind = 'event') "
        "AND (? = '' OR host = ?) AND created_wall >= ? AND (? IS NULL OR created_wall <= ?)",
        (host, host, since, until, until),
    )
    return [retry(conn, row[0], now) for row in rows.fetchall()]


def cancel(conn: sqlite3.Connection, delivery_id: str, now: float) -> DeliveryRow:
    """Don't send it any more; the file is kept. Raises UnknownDelivery, StateError."""
    row = get_delivery(conn, delivery_id)
    return _move(conn, replace(row, lease_owner="", lease_until=0.0, finished_wall=now), Happening.CANCEL)


# ---- rows -----------------------------------------------------------------------------------


def _lose(conn: sqlite3.Connection, delivery_id: str, now: float) -> DeliveryRow:
    row = get_delivery(conn, delivery_id)
    return _move(conn, replace(row, lease_owner="", lease_until=0.0, next_wall=now), Happening.LOSE)


_MOVING = (
    "state",
    "attempts",
    "fast_failures",
    "slow_failures",
    "since_wall",
    "next_wall",
    "finished_wall",
    "last_status",
    "last_error",
    "lease_owner",
    "lease_until",
)
_MOVE = f"UPDATE deliveries SET {', '.join(f'{name} = ?' for name in _MOVING)} WHERE id = ?"


def _move(conn: sqlite3.Connection, row: DeliveryRow, happening: Happening) -> DeliveryRow:
    """Move ``row`` along the table and write it; it brings what else changes."""
    moved = replace(row, state=apply(DeliveryState(row.state), happening).value)
    conn.execute(_MOVE, (*(getattr(moved, name) for name in _MOVING), row.id))
    return moved
