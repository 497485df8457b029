"""Layer 1: the messages of a mailbox: finished recordings of voicemail whose document names the box.

Where a message is (``new``, ``saved``, ``deleted``) is ``folder`` of its document; without one it is new.
Every function takes a connection inside a transaction: call it through ``Database.run`` / ``arun`` /
``submit``.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

NEW, SAVED, DELETED = "new", "saved", "deleted"
ORIGIN = "voicemail"
"""``origin`` of a message's recording."""

_OF_BOX = (
    "FROM recordings WHERE origin = 'voicemail' AND account_id = ? "
    "AND json_extract(document, '$.mailbox_id') = ? AND state = 'READY' AND file <> ''"
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message. ``file``: relative to the state folder. ``received``: seconds since 1970."""

    id: str
    folder: str
    file: str
    received: float


def list_messages(conn: sqlite3.Connection, account_id: str, mailbox_id: str) -> list[Message]:
    """The new and saved messages of a mailbox, the latest first."""
    found = conn.execute(
        f"SELECT id, coalesce(json_extract(document, '$.folder'), ?), file, started_wall {_OF_BOX} "
        "ORDER BY started_wall DESC, id DESC",
        (NEW, account_id, mailbox_id),
    )
    return [message for message in (Message(*row) for row in found) if message.folder != DELETED]


def put_into_folder(conn: sqlite3.Connection, message_id: str, folder: str) -> None:
    """Move a message; one that is gone is passed over."""
    conn.execute(
        "UPDATE recordings SET document = json_set(document, '$.folder', ?) WHERE id = ?",
        (folder, message_id),
    )


def file_of_recording(conn: sqlite3.Connection, recording_id: str) -> str:
    """Where a finished recording is, relative to the state folder; empty: there is none."""
    found = conn.execute(
        "SELECT file FROM recordings WHERE id = ? AND state = 'READY'", (recording_id,)
    ).fetchone()
    return str(found[0]) if found else ""
