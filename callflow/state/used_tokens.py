"""Layer 1: tokens that are good once (an application's, by their ``jti``), remembered until they expire."""

from __future__ import annotations

import sqlite3
from enum import StrEnum

MOST_EACH = 100_000
"""So many tokens of one owner are remembered at a time; one more is refused until some have expired."""

USED_TOKENS = """
    CREATE TABLE used_tokens (
        owner        TEXT NOT NULL,
        jti          TEXT NOT NULL,
        expires_wall REAL NOT NULL,
        PRIMARY KEY (owner, jti)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX used_tokens_expires ON used_tokens (expires_wall);
"""


class Use(StrEnum):
    """What has become of a token."""

    FIRST = "first"
    AGAIN = "again"  # it was used before
    FULL = "full"  # its owner has used too many


def use_token(
    conn: sqlite3.Connection,
    owner: str,
    jti: str,
    *,
    expires_wall: float,
    wall: float,
    most: int = MOST_EACH,
) -> Use:
    """Remember a token of ``owner`` until it expires; those that have are forgotten."""
    conn.execute("DELETE FROM used_tokens WHERE expires_wall < ?", (wall,))
    if conn.execute("SELECT 1 FROM used_tokens WHERE owner = ? AND jti = ?", (owner, jti)).fetchone():
        return Use.AGAIN
    (count,) = conn.execute("SELECT count(*) FROM used_tokens WHERE owner = ?", (owner,)).fetchone()
    if count >= most:
        return Use.FULL
    conn.execute("INSERT INTO used_tokens VALUES (?, ?, ?)", (owner, jti, expires_wall))
    return Use.FIRST
