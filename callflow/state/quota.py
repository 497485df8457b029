"""Layer 1: how much room recordings take in a state folder, and whether there is some for one more.

What counts are finished files that are here, as their rows say; a recording that runs is never stopped.
Every function takes a connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from callflow.errors import QuotaReached
from callflow.state.account_documents import keeping_of, keeping_of_all

MB = 1_000_000
REFUSE, OLDEST = "refuse", "oldest"
"""What is done when there is no room: no recording begins; the oldest go."""
WHOLE_FOLDER = ""
"""The account id under which the rules of the state folder as a whole are kept."""


class Room(NamedTuple):
    """``quota`` 0: any number of bytes."""

    used: int
    quota: int
    policy: str

    @property
    def over_by(self) -> int:
        """Bytes that are too many; 0: none is."""
        return max(0, self.used - self.quota) if self.quota else 0


def used_bytes(conn: sqlite3.Connection, account_id: str = WHOLE_FOLDER) -> int:
    """Bytes of the files here of an account, or of all."""
    if account_id == WHOLE_FOLDER:
        found = conn.execute("SELECT coalesce(sum(bytes), 0) FROM room")
    else:
        found = conn.execute("SELECT coalesce(sum(bytes), 0) FROM room WHERE account_id = ?", (account_id,))
    return int(found.fetchone()[0])


def room_of(conn: sqlite3.Connection, account_id: str = WHOLE_FOLDER) -> Room:
    """The room of an account, or of the folder; without a quota nothing is counted."""
    rules = keeping_of(conn, account_id)
    quota, policy = rules.get("quota_mb"), rules.get("quota_policy")
    if not isinstance(quota, int) or quota <= 0:
        return Room(0, 0, REFUSE)
    return Room(used_bytes(conn, account_id), quota * MB, OLDEST if policy == OLDEST else REFUSE)


def limited(conn: sqlite3.Connection) -> list[str]:
    """The accounts that have a quota, the folder (if it has one) last."""
    return sorted((id for id, rules in keeping_of_all(conn).items() if rules.get("quota_mb")), reverse=True)


def refuse_if_full(conn: sqlite3.Connection, account_id: str) -> None:
    """Raises QuotaReached if the account or the folder is full and its policy is ``refuse``."""
    for name in dict.fromkeys((account_id, WHOLE_FOLDER)):
        room = room_of(conn, name)
        if room.quota and room.policy == REFUSE and room.used >= room.quota:
            whose = f"account {name} has" if name else "the state folder has"
            raise QuotaReached(
                f"{whose} {room.used / MB:.1f} MB of recordings, of {room.quota / MB:g} MB",
                hint="erase recordings, raise quota_mb, or let the oldest go: quota_policy oldest",
            )
