"""A state folder as callflow of 2026-11-21, 08:19, has left it: each state of a delivery, a spool, messages.

``database.sql`` is a dump of what that version has written (tables at step 5), ``meta.json`` is of its spool.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from callflow.media.wav import unfinished_header
from callflow.recording.spool import AUDIO, JOURNAL, META, line_bytes
from callflow.state.folder import StateFolder

HERE = Path(__file__).parent
STATES = ("queued", "waiting", "sending", "delivered", "dead", "blocked", "cancelled")
THERE = "127.0.0.1:9"
"""The receiver of all of it."""


def make(root: Path, receiver: str = THERE) -> StateFolder:
    """The folder, with its deliveries to ``receiver`` (host and port)."""
    folder = StateFolder.open(root)
    connection = sqlite3.connect(folder.database)
    connection.executescript((HERE / "database.sql").read_text().replace(THERE, receiver))
    connection.close()
    for state in STATES:
        (folder.outbox / f"old-{state}.wav").write_bytes(f"old-{state}".encode())
    (folder.media / "202611").mkdir()
    (folder.media / "202611/old-local.mp3").write_bytes(bytes(9792))
    spool = folder.spool_of("old-spool")
    spool.mkdir()
    (spool / META).write_text((HERE / "meta.json").read_text().replace(THERE, receiver))
    (spool / JOURNAL).write_bytes(line_bytes({"what": "started", "time": 10.0, "samples": 0}))
    (spool / AUDIO).write_bytes(unfinished_header(8000, 2) + np.ones((8000, 2), np.int16).tobytes())
    return folder
