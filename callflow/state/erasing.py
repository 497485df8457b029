"""Layer 1: erasing recordings, and what is left as proof: the rows of it. The files: recording/erasing.py.

One transaction takes a recording out of everything that knows it (its deliveries, urls, peaks and whatever
else is kept of it are rows that go with it) and writes its proof, which names the files that have to go. So a
recording is whole until that commit, and from then on its erasure is finished whatever happens.
Every function takes a connection inside a transaction: call it through ``Database.run`` / ``arun``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from callflow.errors import NotErasable, RecordingError, RecordingHeld
from callflow.log import mask_url
from callflow.state.hooks import announce_erased
from callflow.state.records import (
    ACTIVE,
    DeliveryRow,
    RecordingRow,
    get_recording,
    list_deliveries,
    release_url,
)
from callflow.state.transcripts import transcript_file

ENDED = ("READY", "DISCARDED", "CANCELLED", "FAILED")
MOST_PROOFS = 1000
"""Proofs of a page at most."""
MOST_REASON = 500


class Why(StrEnum):
    """What has erased a recording."""

    RETENTION = "retention"
    API = "api"
    CLI = "cli"
    QUOTA = "quota"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a recording was erased. Walls: seconds since 1970. ``sha256``, ``bytes``: of its file as it was
    kept or sent. ``copies``: where it was delivered to before (urls without secrets): what is there is not
    ours to erase. ``files``: relative to the state folder. ``done_wall``: when they were gone, 0: not yet.
    """

    n: int
    recording_id: str
    call_id: str
    account_id: str
    state: str
    sha256: str
    bytes: int
    seconds: float
    started_wall: float
    why: str
    by_whom: str
    copies: tuple[str, ...]
    files: tuple[str, ...]
    wall: float
    done_wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """That a recording must not be erased. ``released_wall`` 0: it holds."""

    recording_id: str
    reason: str
    by_whom: str
    wall: float
    released_by: str = ""
    released_wall: float = 0.0


# ---- erasing --------------------------------------------------------------------------------


def mark_erased(
    conn: sqlite3.Connection, recording_id: str, *, why: Why, by: str, wall: float, force: bool = False
) -> Proof:
    """Take a recording out of the database, and write the proof of it. Its files are still there.

    Raises UnknownRecording; RecordingHeld; NotErasable while it is made or not delivered yet, unless
    ``force``.
    """
    row = get_recording(conn, recording_id)
    deliveries = list_deliveries(conn, recording_id=recording_id)
    _refuse(conn, row, deliveries, force=force)
    kept = (row.file, transcript_file(conn, recording_id), *(each.file for each in deliveries))
    files = sorted({name for name in kept if name})
    copies = sorted({mask_url(each.url) for each in deliveries if each.state == "DELIVERED" and each.sha256})
    conn.execute("DELETE FROM recordings WHERE id = ?", (recording_id,))
    release_url(conn, recording_id)
    announce_erased(
        conn, row, str(why), {each.hook for each in deliveries if each.hook and each.state in ACTIVE}
    )
    cursor = conn.execute(
        "INSERT INTO erased VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (
            *(row.id, row.call_id, row.account_id, row.state, row.sha256, row.bytes, row.seconds),
            *(row.started_wall, str(why), by, json.dumps(copies), json.dumps(files), wall),
        ),
    )
    return _proofs(conn, "n = ?", (cursor.lastrowid,), 1)[0]


def _refuse(
    conn: sqlite3.Connection, row: RecordingRow, deliveries: Sequence[DeliveryRow], *, force: bool
) -> None:
    held = hold_of(conn, row.id)
    if held is not None:
        raise RecordingHeld(
            f"recording {row.id} is held by {held.by_whom}: {held.reason}",
            hint=f"callflow recordings release {row.id} first; --force does not help here",
        )
    if force:
        return
    if row.state not in ENDED:
        raise NotErasable(f"recording {row.id} is still {row.state}", hint="stop it, or use --force")
    waiting = [each.id for each in deliveries if each.state in ACTIVE]
    if waiting:
        raise NotErasable(
            f"recording {row.id} is not delivered yet (delivery {', '.join(waiting)})",
            hint="callflow deliveries cancel it first, or use --force",
        )


def mark_done(conn: sqlite3.Connection, n: int, wall: float) -> Proof:
    """Its files are gone."""
    conn.execute("UPDATE erased SET done_wall = ? WHERE n = ? AND done_wall = 0", (wall, n))
    return _proofs(conn, "n = ?", (n,), 1)[0]


def undone(conn: sqlite3.Connection, limit: int = MOST_PROOFS) -> list[Proof]:
    """Erasures whose files may still be there, the first first: a crash came between."""
    return _proofs(conn, "done_wall = 0", (), limit)


def is_being_erased(conn: sqlite3.Connection, recording_id: str) -> bool:
    """Whether files of an erased recording with this id may still be there: nobody may take the id now."""
    found = conn.execute("SELECT 1 FROM erased WHERE done_wall = 0 AND recording_id = ?", (recording_id,))
    return found.fetchone() is not None


# ---- proofs ---------------------------------------------------------------------------------


def list_proofs(
    conn: sqlite3.Connection,
    *,
    account_id: str = "",
    recording_id: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[Proof]:
    """Proofs, the latest first: at most ``limit`` (of MOST_PROOFS). ``before``: the ``n`` of the last one of
    the page before.
    """
    where, values = ["1"], list[object]()
    for column, value in (("account_id = ?", account_id), ("recording_id = ?", recording_id)):
        if value:
            where.append(column)
            values.append(value)
    if before is not None:
        where.append("n < ?")
        values.append(before)
    return _proofs(conn, " AND ".join(where), values, limit, order="DESC")


def _proofs(
    conn: sqlite3.Connection, where: str, values: Sequence[object], limit: int, *, order: str = "ASC"
) -> list[Proof]:
    found = conn.execute(
        f"SELECT * FROM erased WHERE {where} ORDER BY n {order} LIMIT ?",
        (*values, max(1, min(limit, MOST_PROOFS))),
    )
    names = [column[0] for column in found.description]
    proofs = []
    for line in found:
        named = dict(zip(names, line, strict=True))
        named |= {name: tuple(json.loads(named[name])) for name in ("copies", "files")}
        proofs.append(Proof(**named))
    return proofs


# ---- holds ----------------------------------------------------------------------------------


def hold(conn: sqlite3.Connection, recording_id: str, *, reason: str, by: str, wall: float) -> Hold:
    """From now on the recording is not erased, whoever asks. Raises UnknownRecording; RecordingError without
    a reason, or if it is held already.
    """
    get_recording(conn, recording_id)
    if not reason.strip():
        raise RecordingError("a hold needs a reason", hint="--reason 'case 4711'")
    already = hold_of(conn, recording_id)
    if already is not None:
        raise RecordingError(
            f"recording {recording_id} is held already by {already.by_whom}: {already.reason}",
            hint="release it first, if the reason is another one now",
        )
    conn.execute(
        "INSERT INTO holds VALUES (NULL, ?, ?, ?, ?, '', 0)", (recording_id, reason[:MOST_REASON], by, wall)
    )
    return Hold(recording_id=recording_id, reason=reason[:MOST_REASON], by_whom=by, wall=wall)


def release_hold(conn: sqlite3.Connection, recording_id: str, *, by: str, wall: float) -> Hold:
    """It may be erased again; that it was held stays known. Raises UnknownRecording; RecordingError if it is
    not held.
    """
    get_recording(conn, recording_id)
    held = hold_of(conn, recording_id)
    if held is None:
        raise RecordingError(f"recording {recording_id} is not held", hint="callflow recordings holds")
    conn.execute(
        "UPDATE holds SET released_by = ?, released_wall = ? WHERE recording_id = ? AND released_wall = 0",
        (by, wall, recording_id),
    )
    return list_holds(conn, recording_id=recording_id, also_released=True)[0]


def hold_of(conn: sqlite3.Connection, recording_id: str) -> Hold | None:
    """The hold of a recording; None: it has none now."""
    return next(iter(list_holds(conn, recording_id=recording_id)), None)


def list_holds(
    conn: sqlite3.Connection, *, recording_id: str = "", also_released: bool = False, limit: int = MOST_PROOFS
) -> list[Hold]:
    """The holds, the latest first."""
    found = conn.execute(
        "SELECT recording_id, reason, by_whom, wall, released_by, released_wall FROM holds "
        "WHERE (? = '' OR recording_id = ?) AND (? OR released_wall = 0) ORDER BY n DESC LIMIT ?",
        (recording_id, recording_id, also_released, limit),
    )
    names = [column[0] for column in found.description]
    return [Hold(**dict(zip(names, line, strict=True))) for line in found]
