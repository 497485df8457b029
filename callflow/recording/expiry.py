"""Layer 2: a round of house-keeping over a state folder: what has had its time goes, and what is too much.

It blocks: call it in a thread.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from callflow.clock import iso
from callflow.errors import CallflowError
from callflow.log import logger
from callflow.recording.erasing import erase, finish_erasing
from callflow.state.database import Database
from callflow.state.erasing import Proof, Why
from callflow.state.folder import StateFolder
from callflow.state.quota import MB, OLDEST, limited, room_of
from callflow.state.retention import BATCH, expired, oldest_erasable

BY = "callflow"
"""By whom, if nobody in particular wanted it."""
_NEWEST = (
    "SELECT max(started_wall) FROM recordings",
    "SELECT max(created_wall) FROM deliveries",
    "SELECT wall FROM erased ORDER BY n DESC LIMIT 1",
)
MOST_ROUNDS = 500
"""Batches of one pass: what is left waits for the next."""


LATER_S = 86_400.0
"""What was made so much later than now was made, or is looked at, with a wrong clock. (A pretend call may be
some hours ahead.)
"""
IDLE_S = 30 * 86_400.0
"""Nothing was made for so long: nobody called, or the clock is put forward."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """What a round has done. ``full``: in words, each place that has more than its quota and nothing that may
    be erased.
    """

    erased: tuple[Proof, ...] = ()
    full: tuple[str, ...] = ()


def tidy(folder: StateFolder, database: Database, wall: float, *, expire: bool = True) -> Tidied:
    """Erase what has had its time, and where the policy is ``oldest``, as much as is over the quota.

    ``wall``: seconds since 1970. ``expire`` False: nothing has had its time now. Raises StorageError if the
    database cannot be used.
    """
    finish_erasing(folder, database, wall)
    erased: list[Proof] = []
    for _ in range(MOST_ROUNDS if expire else 0):
        due = database.run(lambda conn: expired(conn, wall, BATCH))
        done = _erase_all(folder, database, due, Why.RETENTION, wall)
        erased += done
        if len(due) < BATCH or not done:
            break
    full = []
    for account_id in database.run(limited):
        gone, words = _make_room(folder, database, account_id, wall)
        erased += gone
        full += [words] if words else []
    return Tidied(tuple(erased), tuple(full))


def doubt(conn: sqlite3.Connection, wall: float) -> str:
    """Why the time ``wall`` (seconds since 1970) should not be believed, in words, going by what the database
    has seen; empty: it may be right. In a transaction.
    """
    newest = max(float((conn.execute(query).fetchone() or (0.0,))[0] or 0.0) for query in _NEWEST)
    if newest > wall + LATER_S:
        return f"it is {_day(wall)} here, and the latest recording or delivery is of {_day(newest)}"
    if 0 < newest < wall - IDLE_S:
        return f"it is {_day(wall)} here, and nothing was recorded, sent or erased since {_day(newest)}"
    return ""


def _day(wall: float) -> str:
    return iso(wall)[:10]


def _make_room(
    folder: StateFolder, database: Database, account_id: str, wall: float
) -> tuple[list[Proof], str]:
    gone: list[Proof] = []
    for _ in range(MOST_ROUNDS):
        room = database.run(lambda conn: room_of(conn, account_id))
        if room.policy != OLDEST or not room.over_by:
            return gone, ""
        chosen, left = [], room.over_by
        for id, size in database.run(lambda conn: oldest_erasable(conn, account_id, BATCH)):
            if left <= 0:
                break
            chosen.append(id)
            left -= size
        done = _erase_all(folder, database, chosen, Why.QUOTA, wall)
        gone += done
        if not done:
            break
    whose = f"account {account_id}" if account_id else "the state folder"
    return gone, (
        f"{whose} has {room.used / MB:.1f} MB of recordings, of {room.quota / MB:g} MB, and none of them may "
        "be erased: they are held, or are not delivered"
    )


def _erase_all(folder: StateFolder, database: Database, ids: list[str], why: Why, wall: float) -> list[Proof]:
    done = []
    for id in ids:
        try:
            done.append(erase(folder, database, id, why=why, by=BY, wall=wall))
        except CallflowError as error:  # somebody was quicker, or holds it since
            logger.warning("recording %s is not erased: %s", id, error)
    return done
