"""Layer 2: peaks of recordings, kept so that no file is read twice for the same drawing.

They are rows that go with their recording: what is deleted leaves no outline of what was said. At most
``MOST_KEPT`` are kept; the oldest go first, and are made again when they are asked for.
Every function takes a connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
import zlib

import numpy as np

from callflow.media.peaks import MOST_CHANNELS, Peaks

MOST_KEPT = 10_000
MOST_BUCKETS = 2000


def kept_peaks(conn: sqlite3.Connection, recording_id: str, sha256: str) -> Peaks | None:
    """The peaks of a recording, if they were made of the file with this digest."""
    found = conn.execute(
        "SELECT channels, buckets, data FROM peaks WHERE recording_id = ? AND sha256 = ?",
        (recording_id, sha256),
    ).fetchone()
    if found is None:
        return None
    channels, buckets, data = found
    size = 2 * channels * buckets
    if not 0 < size <= 2 * MOST_CHANNELS * MOST_BUCKETS:
        return None
    raw = zlib.decompressobj().decompress(data, size)
    pairs = np.frombuffer(raw, np.int8)
    return Peaks(pairs.reshape(channels, buckets, 2)) if len(pairs) == size else None


def keep_peaks(conn: sqlite3.Connection, recording_id: str, sha256: str, peaks: Peaks, wall: float) -> None:
    """Keep them; of a recording that was deleted meanwhile, nothing."""
    if conn.execute("SELECT 1 FROM recordings WHERE id = ?", (recording_id,)).fetchone() is None:
        return
    data = zlib.compress(peaks.pairs.tobytes())
    conn.execute(
        "INSERT OR REPLACE INTO peaks VALUES (?, ?, ?, ?, ?, ?)",
        (recording_id, sha256, wall, peaks.channels, peaks.buckets, data),
    )
    (count,) = conn.execute("SELECT count(*) FROM peaks").fetchone()
    if count > MOST_KEPT:
        conn.execute(
            "DELETE FROM peaks WHERE recording_id IN "
            "(SELECT recording_id FROM peaks ORDER BY made_wall LIMIT ?)",
            (count - MOST_KEPT,),
        )


def forget_peaks(conn: sqlite3.Connection, recording_id: str) -> None:
    """Nothing is kept of this recording's sound."""
    conn.execute("DELETE FROM peaks WHERE recording_id = ?", (recording_id,))
