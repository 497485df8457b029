"""Layer 1: an account's deliveries, found by what is asked for, page by page, the latest first."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, replace

from callflow.errors import BadFilter, UnknownDelivery
from callflow.state.events import KIND
from callflow.state.records import DeliveryRow, get_delivery, read_deliveries

PAGE = 50
MOST_PAGE = 1000
RETRYABLE = ("DEAD", "BLOCKED", "WAITING")
"""States from which a delivery is sent again by hand."""

_KEY = re.compile(r"(\d{1,15}(?:\.\d{1,17})?)_(\S{1,200})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are wanted; what is empty or None asks for nothing. ``host``: ``host`` or
    ``host:port``. ``created_from`` (inclusive), ``created_before``: seconds since 1970.
    """

    account_id: str
    states: tuple[str, ...] = ()
    host: str = ""
    kind: str = ""
    recording_id: str = ""
    created_from: float | None = None
    created_before: float | None = None


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """A delivery's place in every list."""

    created: float
    id: str

    def __str__(self) -> str:
        return f"{self.created!r}_{self.id}"

    @classmethod
    def read(cls, text: str) -> DeliveryKey:
        """A key as it was told. Raises BadFilter."""
        found = _KEY.fullmatch(text)
        if found is None:
            raise BadFilter("start_key is not one of ours", hint="use next_start_key of the page before")
        return cls(float(found[1]), found[2])


def find_deliveries(
    conn: sqlite3.Connection, wanted: DeliveryFilter, *, size: int = PAGE, start: DeliveryKey | None = None
) -> tuple[list[DeliveryRow], DeliveryKey | None]:
    """At most ``size`` (1 to MOST_PAGE) deliveries from ``start`` on, and where the next page begins."""
    size = max(1, min(size, MOST_PAGE))
    text, values = deliveries_query(wanted, size=size, start=start)
    rows = read_deliveries(conn, text, values)
    following = DeliveryKey(rows[size].created_wall, rows[size].id) if len(rows) > size else None
    return rows[:size], following


def deliveries_query(
    wanted: DeliveryFilter, *, size: int, start: DeliveryKey | None = None
) -> tuple[str, tuple[object, ...]]:
    """The query of a page, with one delivery more."""
    index = "deliveries_account"
    if wanted.recording_id:
        index = "deliveries_recording"
    elif wanted.host:
        index = "deliveries_account_host"
    elif len(wanted.states) == 1:
        index = "deliveries_account_state"
    where: list[str] = ["account_id = ?"]
    found: list[object] = [wanted.account_id]
    conditions: tuple[tuple[str, object], ...] = (
        ("recording_id = ?", wanted.recording_id or None),
        ("host = ?", wanted.host or None),
        ("kind = ?", wanted.kind or None),
        ("created_wall >= ?", wanted.created_from),
        ("created_wall < ?", wanted.created_before),
    )
    for text, value in conditions:
        if value is not None:
            where.append(text)
            found.append(value)
    if len(wanted.states) == 1:
        where.append("state = ?")
    elif wanted.states:
        where.append(f"state IN ({', '.join('?' for _ in wanted.states)})")
    found += wanted.states
    if start is not None:
        where.append("(created_wall, id) <= (?, ?)")
        found += [start.created, start.id]
    return (
        f"SELECT * FROM deliveries INDEXED BY {index} WHERE {' AND '.join(where)} "
        "ORDER BY created_wall DESC, id DESC LIMIT ?",
        (*found, size + 1),
    )


def delivery_of(conn: sqlite3.Connection, account_id: str, delivery_id: str) -> DeliveryRow:
    """The delivery, if it is the account's. Raises UnknownDelivery, whether or not it is another's."""
    row = get_delivery(conn, delivery_id)
    if row.account_id != account_id:
        raise UnknownDelivery(f"no delivery {delivery_id!r}", hint="callflow deliveries list shows them")
    return row


def retryable(conn: sqlite3.Connection, wanted: DeliveryFilter, most: int) -> list[str]:
    """The ids of at most ``most`` of these deliveries that are dead, blocked or waiting and can be sent."""
    states = tuple(state for state in RETRYABLE if not wanted.states or state in wanted.states)
    found: list[str] = []
    for state in states:
        text, values = deliveries_query(replace(wanted, states=(state,)), size=most - len(found) - 1)
        rows = read_deliveries(conn, text, values) if len(found) < most else []
        found += [row.id for row in rows if row.file or row.kind == KIND]
    return found
