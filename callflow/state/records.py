"""Layer 1: the rows of the state database as values, and what is done with recordings and urls.

Every function takes a connection inside a transaction: call it through ``Database.run`` / ``arun``. What
moves a delivery from state to state is ``callflow/delivery/outbox.py``; here it is only made and read.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from callflow.errors import BadUrl, RecordingError, UnknownDelivery, UnknownRecording

ACTIVE = ("QUEUED", "WAITING", "SENDING")
"""The states of a delivery that still has to be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRow:
    """A recording as it is listed. ``state`` is the recorder's (``WAITING`` .. ``READY``).

    ``samples``: per channel at ``rate`` Hz of the recording (not of a resampled file). ``file``: relative to
    the state folder, empty while there is none or once it was delivered and removed. ``target_kind``:
    ``http``, ``couchdb`` or ``local``. Walls: seconds since 1970, 0: not yet. ``document``: kazoo.md 1.12.
    """

    id: str
    call_id: str
    account_id: str = ""
    state: str = "RECORDING"
    reason: str = ""
    message: str = ""
    origin: str = ""
    label: str = ""
    media_name: str = ""
    format: str = ""
    channels: int = 0
    rate: int = 0
    samples: int = 0
    bytes: int = 0
    sha256: str = ""
    file: str = ""
    target_kind: str = "local"
    url: str = ""
    method: str = "put"
    recovered: bool = False
    started_wall: float = 0.0
    finished_wall: float = 0.0
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.samples / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A file on its way. Who makes one gives the fields down to ``created_wall``; the outbox does the rest.

    ``kind`` ``http``: ``url`` is the final one. ``kind`` ``couchdb``: ``url`` is the base url and
    ``database`` the database. ``file``: relative to the state folder. ``sha256``: hex of the file.
    ``since_wall``: when its schedule began (again). ``next_wall``: the next attempt is due.
    ``kind`` ``storage``: ``message`` is the place as JSON (``documents/storage.py``; it may hold secrets),
    ``database`` the path there, ``url`` both for people.
    ``kind`` ``event``: no file but a ``message`` (``state/events.py``), which may hold a secret;
    ``recording_id`` may be empty. ``account_id``: the recording's, if it says none. ``hook``: of a message
    that a webhook of the account sends, that webhook's id.
    """

    id: str
    recording_id: str
    kind: str
    url: str
    file: str
    content_type: str
    sha256: str
    bytes: int
    created_wall: float
    method: str = "put"
    database: str = ""
    host: str = ""
    state: str = "QUEUED"
    attempts: int = 0
    fast_failures: int = 0
    slow_failures: int = 0
    since_wall: float = 0.0
    next_wall: float = 0.0
    finished_wall: float = 0.0
    last_status: int | None = None
    last_error: str = ""
    lease_owner: str = ""
    lease_until: float = 0.0
    message: str = field(default="", repr=False)
    account_id: str = ""
    hook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try at a delivery: how it went. ``answer``: the first 2 kB of the answer's body."""

    delivery_id: str
    number: int
    started_wall: float
    seconds: float
    outcome: str
    status: int | None = None
    address: str = ""
    error: str = ""
    answer: bytes = b""


# ---- recordings -----------------------------------------------------------------------------


def begin_recording(conn: sqlite3.Connection, row: RecordingRow) -> None:
    """List a recording from its start on. An id that is there already is left as it is and refused."""
    if conn.execute("SELECT 1 FROM recordings WHERE id = ?", (row.id,)).fetchone():
        raise RecordingError(
            f"there is a recording {row.id} already", hint="leave media_id out: a fresh id is made"
        )
    if conn.execute("SELECT 1 FROM erased WHERE done_wall = 0 AND recording_id = ?", (row.id,)).fetchone():
        raise RecordingError(
            f"files of an erased recording {row.id} are still to be removed",
            hint="leave media_id out: a fresh id is made",
        )
    _put(conn, "recordings", _recording_values(row))


def update_recording(conn: sqlite3.Connection, recording_id: str, state: str, reason: str = "") -> None:
    """Note a recording's state on its way (``MASKED`` ...). One that is not listed, or has come to its end
    (this note may be late), is passed over.
    """
    conn.execute(
        "UPDATE recordings SET state = ?, reason = ? WHERE id = ? AND finished_wall = 0",
        (state, reason, recording_id),
    )


def finish_recording(
    conn: sqlite3.Connection, row: RecordingRow, delivery: DeliveryRow | None, *more: DeliveryRow
) -> None:
    """Write a recording's end (``READY``, ``DISCARDED``, ``CANCELLED``, ``FAILED``) and enqueue what is to
    be sent of it.

    Doing it again with the same rows (recovery after a crash) changes nothing. (Several messages of a
    recording may go to one url; its file goes there once.) A recording that needs no delivery any more gives
    its url back, unless it is ``READY`` or ``FAILED`` (its spool is kept).
    """
    _put(conn, "recordings", _recording_values(row), or_update=True)
    if row.state in ("DISCARDED", "CANCELLED"):
        release_url(conn, row.id)
    for each in more if delivery is None else (delivery, *more):
        same = conn.execute(
            "SELECT 1 FROM deliveries WHERE id = :id "
            "OR (recording_id = :recording AND kind = :kind AND url = :url AND :kind <> 'event')",
            {"id": each.id, "recording": each.recording_id, "kind": each.kind, "url": each.url},
        ).fetchone()
        if same is None:
            add_delivery(conn, each)


def get_recording(conn: sqlite3.Connection, recording_id: str) -> RecordingRow:
    """One recording. Raises UnknownRecording."""
    found = conn.execute("SELECT * FROM recordings WHERE id = ?", (recording_id,))
    rows = [_recording(found, values) for values in found]
    if not rows:
        raise UnknownRecording(f"no recording {recording_id!r}", hint="callflow recordings list shows them")
    return rows[0]


def find_recording(conn: sqlite3.Connection, recording_id: str) -> RecordingRow | None:
    """One recording, or None."""
    try:
        return get_recording(conn, recording_id)
    except UnknownRecording:
        return None


def recordings_of(conn: sqlite3.Connection, ids: Sequence[str]) -> list[RecordingRow]:
    """Those of these recordings that there are, in no order."""
    marks = ", ".join("?" for _ in ids)
    found = conn.execute(f"SELECT * FROM recordings WHERE id IN ({marks})", tuple(ids))
    return [_recording(found, values) for values in found]


def list_recordings(
    conn: sqlite3.Connection, *, call_id: str = "", state: str = "", limit: int | None = None
) -> list[RecordingRow]:
    """The recordings, the latest first."""
    found = conn.execute(
        "SELECT * FROM recordings WHERE (? = '' OR call_id = ?) AND (? = '' OR state = ?) "
        "ORDER BY started_wall DESC, id DESC LIMIT ?",
        (call_id, call_id, state, state, -1 if limit is None else limit),
    )
    return [_recording(found, values) for values in found]


def open_recordings(conn: sqlite3.Connection, before: float) -> list[RecordingRow]:
    """The recordings that are listed as under way and began before ``before`` (seconds since 1970). Quick,
    however many there have been: a server asks every few minutes.
    """
    found = conn.execute(
        "SELECT * FROM recordings WHERE state IN ('WAITING', 'RECORDING', 'MASKED', 'PAUSED') "
        "AND started_wall < ? ORDER BY started_wall, id",
        (before,),
    )
    return [_recording(found, values) for values in found]


# ---- urls -----------------------------------------------------------------------------------


def reserve_url(conn: sqlite3.Connection, candidates: Iterable[str], recording_id: str) -> str:
    """Take the first free candidate for this recording; nobody else ever gets it while the row is there.

    Two urls that differ only in user and password are one resource. Asked again for the same recording, it
    gives the same url.
    """
    mine = conn.execute("SELECT url FROM urls WHERE recording_id = ?", (recording_id,)).fetchone()
    if mine is not None:
        return str(mine[0])
    for url in candidates:
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        resource = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
        if conn.execute("SELECT 1 FROM urls WHERE resource = ?", (resource,)).fetchone() is None:
            conn.execute("INSERT INTO urls VALUES (?, ?, ?)", (resource, url, recording_id))
            return url
    raise BadUrl("every candidate url is taken", hint="this is a fault of the program")


def release_url(conn: sqlite3.Connection, recording_id: str) -> None:
    """Give back the url of a recording that will never be sent."""
    conn.execute("DELETE FROM urls WHERE recording_id = ?", (recording_id,))


# ---- deliveries and attempts ----------------------------------------------------------------


def add_delivery(conn: sqlite3.Connection, row: DeliveryRow) -> None:
    """Enqueue: due at once unless ``next_wall`` says otherwise. ``host`` is filled in from the url,
    ``account_id`` from the recording.
    """
    since, account_id = row.since_wall or row.created_wall, row.account_id
    if not account_id and row.recording_id:
        found = conn.execute("SELECT account_id FROM recordings WHERE id = ?", (row.recording_id,)).fetchone()
        account_id = found[0] if found else ""
    host = row.host or host_of(row.url)
    values = _values(replace(row, since_wall=since, host=host, account_id=account_id))
    _put(conn, "deliveries", {**values, "recording_id": row.recording_id or None})


def get_delivery(conn: sqlite3.Connection, delivery_id: str) -> DeliveryRow:
    """One delivery. Raises UnknownDelivery."""
    found = conn.execute("SELECT * FROM deliveries WHERE id = ?", (delivery_id,))
    values = found.fetchone()
    if values is None:
        raise UnknownDelivery(f"no delivery {delivery_id!r}", hint="callflow deliveries list shows them")
    return _delivery(found, values)


def list_deliveries(
    conn: sqlite3.Connection,
    *,
    recording_id: str = "",
    state: str = "",
    host: str = "",
    limit: int | None = None,
) -> list[DeliveryRow]:
    """The deliveries, the latest first."""
    found = conn.execute(
        "SELECT * FROM deliveries WHERE (? = '' OR recording_id = ?) AND (? = '' OR state = ?) "
        "AND (? = '' OR host = ?) ORDER BY created_wall DESC, id DESC LIMIT ?",
        (recording_id, recording_id, state, state, host, host, -1 if limit is None else limit),
    )
    return [_delivery(found, values) for values in found]


def deliveries_of_recordings(conn: sqlite3.Connection, ids: Sequence[str]) -> list[DeliveryRow]:
    """The deliveries of these recordings, the first first."""
    marks = ", ".join("?" for _ in ids)
    text = f"SELECT * FROM deliveries WHERE recording_id IN ({marks}) ORDER BY created_wall, id"
    return read_deliveries(conn, text, ids)


def read_deliveries(conn: sqlite3.Connection, text: str, values: Sequence[object]) -> list[DeliveryRow]:
    """The deliveries that a ``SELECT *`` of their table gives."""
    found = conn.execute(text, tuple(values))
    return [_delivery(found, each) for each in found]


def list_attempts(conn: sqlite3.Connection, delivery_id: str) -> list[AttemptRow]:
    """The attempts at a delivery, the first first."""
    found = conn.execute("SELECT * FROM attempts WHERE delivery_id = ? ORDER BY number", (delivery_id,))
    return [AttemptRow(**_named(found, values)) for values in found]


def add_attempt(conn: sqlite3.Connection, row: AttemptRow) -> None:
    """Keep how an attempt went. A number that is there already gets the next free one."""
    (last,) = conn.execute(
        "SELECT coalesce(max(number), 0) FROM attempts WHERE delivery_id = ?", (row.delivery_id,)
    ).fetchone()
    _put(conn, "attempts", _values(replace(row, number=max(row.number, last + 1))))


def host_of(url: str) -> str:
    """``host`` or ``host:port`` in small letters: what deliveries are bounded and retried by."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2].lower()


# ---- rows and values ------------------------------------------------------------------------


def _values(row: RecordingRow | DeliveryRow | AttemptRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _recording_values(row: RecordingRow) -> dict[str, Any]:
    values = _values(row)
    values["document"] = json.dumps(dict(row.document), ensure_ascii=False)
    values["recovered"] = int(row.recovered)
    return values


def _put(conn: sqlite3.Connection, table: str, values: Mapping[str, Any], *, or_update: bool = False) -> None:
    conn.execute(_insertion(table, tuple(values), or_update), tuple(values.values()))


@cache
def _insertion(table: str, names: tuple[str, ...], or_update: bool) -> str:
    marks = ", ".join("?" for _ in names)
    text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
    if or_update:  # not REPLACE: that would delete the row, and its deliveries with it
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
        text += f" ON CONFLICT (id) DO UPDATE SET {changes}"
    return text


def _named(cursor: sqlite3.Cursor, values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip((column[0] for column in cursor.description), values, strict=True))


def _recording(cursor: sqlite3.Cursor, values: Iterable[Any]) -> RecordingRow:
    named = _named(cursor, values)
    try:
        named["document"] = json.loads(named["document"])
    except ValueError:  # a damaged row must not hold up the whole outbox
        named["document"] = {}
    named["recovered"] = bool(named["recovered"])
    return RecordingRow(**named)


def _delivery(cursor: sqlite3.Cursor, values: Iterable[Any]) -> DeliveryRow:
    named = _named(cursor, values)
    return DeliveryRow(**{**named, "recording_id": named["recording_id"] or ""})
