"""Layer 1: the rows of the tokens that open the HTTP API. A token's secret is nowhere: only its SHA-256.

Every function takes a connection inside a transaction: call it through ``Database.run`` / ``arun`` /
``submit``. What is made of a secret, and how it is compared, is ``callflow/server/tokens.py``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from callflow.errors import UnknownToken

ALL_ACCOUNTS = "*"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token. ``account_id``: whose things it opens, ``*`` all. ``scopes``: ``recordings:read`` ..., ``*``
    all. ``*_wall``: seconds since 1970; ``expires_wall`` None: never; ``used_wall`` None: not yet.
    """

    id: str
    digest: str
    account_id: str
    scopes: tuple[str, ...]
    label: str
    created_wall: float
    expires_wall: float | None = None
    used_wall: float | None = None
    revoked_wall: float | None = None

    def usable(self, wall: float) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_wall is None and (self.expires_wall is None or wall < self.expires_wall)


_COLUMNS = "id, digest, account_id, scopes, label, created_wall, expires_wall, used_wall, revoked_wall"


def add_token(conn: sqlite3.Connection, row: TokenRow) -> None:
    """Keep a new token."""
    conn.execute(
        f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.digest,
            row.account_id,
            " ".join(row.scopes),
            row.label,
            row.created_wall,
            row.expires_wall,
            row.used_wall,
            row.revoked_wall,
        ),
    )


def find_token(conn: sqlite3.Connection, id: str) -> TokenRow | None:
    """The token with that id, revoked and expired ones too."""
    found = conn.execute(f"SELECT {_COLUMNS} FROM tokens WHERE id = ?", (id,)).fetchone()
    return None if found is None else _row(found)


def list_tokens(conn: sqlite3.Connection, *, account_id: str = "") -> list[TokenRow]:
    """All tokens (that open this account), the oldest first."""
    found = conn.execute(
        f"SELECT {_COLUMNS} FROM tokens WHERE ? IN ('', account_id) ORDER BY created_wall, id", (account_id,)
    )
    return [_row(each) for each in found]


def revoke_token(conn: sqlite3.Connection, id: str, wall: float) -> TokenRow:
    """Let the token open nothing any more; the row stays, so that one can see when. Raises UnknownToken."""
    conn.execute("UPDATE tokens SET revoked_wall = COALESCE(revoked_wall, ?) WHERE id = ?", (wall, id))
    row = find_token(conn, id)
    if row is None:
        raise UnknownToken(f"there is no token {id!r}", hint="see callflow tokens list")
    return row


def touch_token(conn: sqlite3.Connection, id: str, wall: float) -> None:
    """Somebody has used it."""
    conn.execute("UPDATE tokens SET used_wall = MAX(COALESCE(used_wall, 0), ?) WHERE id = ?", (wall, id))


def _row(found: Sequence[object]) -> TokenRow:
    id, digest, account_id, scopes, label, created, expires, used, revoked = found
    return TokenRow(
        str(id),
        str(digest),
        str(account_id),
        tuple(str(scopes).split()),
        str(label),
        _wall(created) or 0.0,
        _wall(expires),
        _wall(used),
        _wall(revoked),
    )


def _wall(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
