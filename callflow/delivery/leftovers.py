"""Layer 2: files that are delivered and still here: which may go, and which stay.

Every function takes a connection inside a transaction (``Database.run``).
"""

from __future__ import annotations

import sqlite3

from callflow.state.records import get_recording

_WANTED = """
    SELECT EXISTS (SELECT 1 FROM holds WHERE recording_id = :recording AND released_wall = 0)
        OR EXISTS (SELECT 1 FROM transcripts WHERE recording_id = :recording
                   AND state IN ('WANTED', 'RUNNING'))
        OR EXISTS (SELECT 1 FROM deliveries WHERE recording_id = :recording AND file = :file
                   AND state <> 'DELIVERED')
"""


def leftovers(conn: sqlite3.Connection) -> list[str]:
    """Deliveries (their ids) that are done and have their file still."""
    rows = conn.execute("SELECT id FROM deliveries WHERE state = 'DELIVERED' AND file <> ''")
    return [str(id) for (id,) in rows.fetchall()]


def let_go(conn: sqlite3.Connection, delivery_id: str) -> str:
    """The file of a delivery that is done, if it may be removed now; empty: it stays.

    It stays while the recording is held, while its transcript is wanted, and while it is sent to somebody
    else. That of an NCCO application stays for its ``recording_url``: the delivery alone forgets it.
    """
    done = conn.execute(
        "SELECT recording_id, file FROM deliveries WHERE id = ? AND state = 'DELIVERED' AND file <> ''",
        (delivery_id,),
    ).fetchone()
    if done is None:  # sent again by hand, or erased
        return ""
    recording_id, file = map(str, done)
    (wanted,) = conn.execute(_WANTED, {"recording": recording_id, "file": file}).fetchone()
    if wanted:
        return ""
    if get_recording(conn, recording_id).document.get("application_id"):
        conn.execute("UPDATE deliveries SET file = '' WHERE id = ?", (delivery_id,))
        return ""
    return file


def forget_file(conn: sqlite3.Connection, delivery_id: str, file: str) -> None:
    """The file of a delivery was removed."""
    conn.execute("UPDATE deliveries SET file = '' WHERE id = ? AND file = ?", (delivery_id, file))
    conn.execute(
        "UPDATE recordings SET file = '' WHERE file = ? "
        "AND id = (SELECT recording_id FROM deliveries WHERE id = ?)",
        (file, delivery_id),
    )
