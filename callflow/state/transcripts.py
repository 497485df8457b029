"""Layer 1: the transcripts that are wanted of recordings, and those that are there, as rows: none is lost.

A row is made in the transaction that makes its recording READY, and leaves ``WANTED`` for good in the one
that puts its webhook into the outbox. Who transcribes holds a lock of the state folder; ``RUNNING`` is what
he is at, and ``WANTED`` again if he has died.
Every function takes a connection inside a transaction: call it through ``Database.run`` / ``arun``.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from callflow.state.events import Message, message_of, message_row
from callflow.state.hooks import announce_recording
from callflow.state.records import add_delivery, find_recording, finish_recording

WANTED, RUNNING, DONE, FAILED = "WANTED", "RUNNING", "DONE", "FAILED"
LONGEST_S = 120.0
"""No wait is longer; one that is was written while the machine's clock was wrong."""


@dataclass(frozen=True, slots=True)
class TranscriptWish:
    """That a recording is to be transcribed. ``id``: the name of the transcript's file for those who fetch
    it. ``event``: what is sent when it is there (None: nobody is told); ``failed``: its body if it failed,
    whose ``error`` is filled in then.
    """

    id: str
    language: str = "en-US"
    event: Message | None = None
    failed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> TranscriptWish:
        """As it was written with ``dataclasses.asdict``."""
        event = message_of(plain["event"]) if plain.get("event") else None
        return cls(str(plain["id"]), str(plain["language"]), event, dict(plain.get("failed") or {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptRow:
    """A transcript. ``state``: ``WANTED``, ``RUNNING``, ``DONE`` or ``FAILED``. ``file``: relative to the
    state folder, empty until it is there. ``attempts``: begun so far. Walls: seconds since 1970.
    """

    id: str
    recording_id: str
    state: str
    wish: TranscriptWish = field(repr=False)
    attempts: int = 0
    next_wall: float = 0.0
    created_wall: float = 0.0
    finished_wall: float = 0.0
    file: str = ""
    bytes: int = 0
    error: str = ""


def want(conn: sqlite3.Connection, recording_id: str, wish: TranscriptWish, wall: float) -> None:
    """A transcript of this recording is wanted. Doing it again (recovery) changes nothing."""
    conn.execute(
        "INSERT INTO transcripts VALUES (?, ?, ?, ?, 0, 0, ?, 0, '', 0, '') ON CONFLICT DO NOTHING",
        (wish.id, recording_id, WANTED, json.dumps(asdict(wish), ensure_ascii=False), wall),
    )


def find_transcript(conn: sqlite3.Connection, id: str) -> TranscriptRow | None:
    """The transcript of that id (what stands at the end of its ``transcription_url``), or None."""
    return _one(conn, "id = ?", id)


def transcript_of(conn: sqlite3.Connection, recording_id: str) -> TranscriptRow | None:
    """The transcript of a recording, or None: none was wanted."""
    return _one(conn, "recording_id = ?", recording_id)


def transcript_file(conn: sqlite3.Connection, recording_id: str) -> str:
    """Its file, relative to the state folder; empty: there is none. Who erases the recording erases it."""
    found = conn.execute("SELECT file FROM transcripts WHERE recording_id = ?", (recording_id,)).fetchone()
    return str(found[0]) if found else ""


def under_way(conn: sqlite3.Connection, recording_ids: Collection[str]) -> list[str]:
    """Those of these recordings whose transcript is still to be made."""
    marks = ", ".join("?" for _ in recording_ids)
    found = conn.execute(
        f"SELECT recording_id FROM transcripts WHERE state IN ('{WANTED}', '{RUNNING}') "
        f"AND recording_id IN ({marks})",
        tuple(recording_ids),
    )
    return [str(id) for (id,) in found]


# ---- making them ----------------------------------------------------------------------------


def any_wanted(conn: sqlite3.Connection) -> bool:
    """Whether there is anything to do, now or later."""
    found = conn.execute(f"SELECT 1 FROM transcripts WHERE state IN ('{WANTED}', '{RUNNING}') LIMIT 1")
    return found.fetchone() is not None


def take_back(conn: sqlite3.Connection) -> None:
    """Who was at them has died: they are wanted, now."""
    conn.execute(f"UPDATE transcripts SET state = '{WANTED}', next_wall = 0 WHERE state = '{RUNNING}'")


def claim(conn: sqlite3.Connection, wall: float) -> TranscriptRow | None:
    """Begin with the one that is due first; None: none is. The attempt counts from here on, so that a
    recording that kills whoever listens to it is not tried for ever.
    """
    conn.execute(
        f"UPDATE transcripts SET next_wall = 0 WHERE state = '{WANTED}' AND next_wall > ?",
        (wall + LONGEST_S,),
    )
    due = _one(
        conn, f"state = '{WANTED}' AND next_wall <= ? ORDER BY next_wall, created_wall, id LIMIT 1", wall
    )
    if due is None:
        return None
    conn.execute(
        f"UPDATE transcripts SET state = '{RUNNING}', attempts = attempts + 1 WHERE id = ?", (due.id,)
    )
    return find_transcript(conn, due.id)


def next_due(conn: sqlite3.Connection) -> float | None:
    """When the next one is due (seconds since 1970); None: none is wanted."""
    found = conn.execute(f"SELECT min(next_wall) FROM transcripts WHERE state = '{WANTED}'").fetchone()
    return None if found[0] is None else float(found[0])


def again(conn: sqlite3.Connection, id: str, next_wall: float, error: str, *, attempts: int) -> None:
    """It was not possible this time. ``attempts``: that count as begun so far."""
    conn.execute(
        f"UPDATE transcripts SET state = '{WANTED}', next_wall = ?, error = ?, attempts = ? "
        f"WHERE id = ? AND state = '{RUNNING}'",
        (next_wall, error, attempts, id),
    )


def settle(
    conn: sqlite3.Connection,
    row: TranscriptRow,
    *,
    call_id: str,
    wall: float,
    file: str,
    bytes: int,
    error: str,
) -> str | None:
    """It is ``DONE`` (``file`` is there) or ``FAILED`` (``error`` says why), and its webhook in the outbox,
    and messages for those of the account. Gives that delivery's id, empty without a webhook; None: the
    recording was erased meanwhile, and the file has to go too.
    """
    changed = conn.execute(
        "UPDATE transcripts SET state = ?, finished_wall = ?, file = ?, bytes = ?, error = ? "
        f"WHERE id = ? AND state = '{RUNNING}'",
        (FAILED if error else DONE, wall, file, bytes, error, row.id),
    )
    if not changed.rowcount:
        return None
    recording = find_recording(conn, row.recording_id)
    if recording is not None:
        action, more = ("transcription_failed", {"error": error}) if error else ("transcribed", {})
        facts = {"transcript_id": row.id, "language": row.wish.language, **more}
        announce_recording(conn, recording, action, facts)
    message = row.wish.event
    if message is None:
        return ""
    body = {**row.wish.failed, "error": error} if error else message.body
    sent = message_row(
        replace(message, body=dict(body)),
        id=hashlib.sha256(f"transcript {row.id}".encode()).hexdigest()[:12],
        call_id=call_id,
        wall=wall,
        recording_id=row.recording_id,
    )
    add_delivery(conn, sent)
    return sent.id


def _one(conn: sqlite3.Connection, where: str, value: object) -> TranscriptRow | None:
    found = conn.execute(f"SELECT * FROM transcripts WHERE {where}", (value,))
    line = found.fetchone()
    if line is None:
        return None
    named = dict(zip((column[0] for column in found.description), line, strict=True))
    try:
        named["wish"] = TranscriptWish.of(json.loads(named["wish"]))
    except (ValueError, TypeError, KeyError):  # a damaged row must not hold up the others
        named["wish"] = TranscriptWish(str(named["id"]))
    return TranscriptRow(**named)


# ---- clips of speech ------------------------------------------------------------------------

CLIP = "ncco input"
"""``origin`` of the recording of what a caller has said to a speech ``input``."""


def is_clip(document: Mapping[str, Any]) -> bool:
    """Whether a recording (its document) is kept only until it is understood."""
    return document.get("temporary") is True


def discard_clip(conn: sqlite3.Connection, recording_id: str, root: Path) -> bool:
    """A clip is understood: its file goes, and it is DISCARDED. False: there is none, or it is to be kept.

    ``root``: the state folder. The file goes before the commit: killed in between, the clip is one that
    somebody has forgotten, and no sound is left that nobody knows. Raises OSError.
    """
    row = find_recording(conn, recording_id)
    if row is None or row.state != "READY" or not is_clip(row.document):
        return False
    held = "SELECT 1 FROM holds WHERE recording_id = ? AND released_wall = 0"
    if conn.execute(held, (recording_id,)).fetchone():
        return False
    if row.file:
        (root / row.file).unlink(missing_ok=True)
    finish_recording(conn, replace(row, state="DISCARDED", reason="heard", file="", bytes=0, sha256=""), None)
    return True


def forgotten_clips(conn: sqlite3.Connection, before: float) -> list[str]:
    """Clips (their ids) that were there before ``before``, and that whoever listened to them has left: he has
    died.
    """
    found = conn.execute(
        f"SELECT id FROM recordings WHERE origin = '{CLIP}' AND state = 'READY' AND finished_wall < ? "
        "AND json_extract(document, '$.temporary') = 1",
        (before,),
    )
    return [str(id) for (id,) in found]
