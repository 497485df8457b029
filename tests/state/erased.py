"""A recording is taken out of the database, for tests of what that does to others."""

from __future__ import annotations

import sqlite3

from callflow.state.erasing import Proof, Why, mark_done, mark_erased


def erased(conn: sqlite3.Connection, recording_id: str, *, force: bool = False) -> Proof:
    """As if its files were gone too."""
    proof = mark_erased(conn, recording_id, why=Why.CLI, by="test", wall=1.0, force=force)
    return mark_done(conn, proof.n, 2.0)
