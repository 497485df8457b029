"""Layer 1: the tables of the state database, as steps. A database knows how many it has seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from callflow.errors import StorageError
from callflow.state.erasing_schema import ERASING, ROOM
from callflow.state.schema_library import LIBRARY
from callflow.state.transcripts_schema import TRANSCRIPTS
from callflow.state.used_tokens import USED_TOKENS

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE recordings (
        id            TEXT PRIMARY KEY,
        call_id       TEXT NOT NULL,
        account_id    TEXT NOT NULL,
        state         TEXT NOT NULL,
        reason        TEXT NOT NULL,
        message       TEXT NOT NULL,
        origin        TEXT NOT NULL,
        label         TEXT NOT NULL,
        media_name    TEXT NOT NULL,
        format        TEXT NOT NULL,
        channels      INTEGER NOT NULL,
        rate          INTEGER NOT NULL,
        samples       INTEGER NOT NULL,
        bytes         INTEGER NOT NULL,
        sha256        TEXT NOT NULL,
        file          TEXT NOT NULL,
        target_kind   TEXT NOT NULL,
        url           TEXT NOT NULL,
        method        TEXT NOT NULL,
        recovered     INTEGER NOT NULL,
        started_wall  REAL NOT NULL,
        finished_wall REAL NOT NULL,
        document      TEXT NOT NULL
    ) STRICT;
    CREATE INDEX recordings_started ON recordings (started_wall);
    CREATE INDEX recordings_call ON recordings (call_id);
    CREATE TABLE urls (
        resource     TEXT PRIMARY KEY,
        url          TEXT NOT NULL,
        recording_id TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX urls_recording ON urls (recording_id);
    CREATE TABLE deliveries (
        id            TEXT PRIMARY KEY,
        recording_id  TEXT NOT NULL REFERENCES recordings (id) ON DELETE CASCADE,
        kind          TEXT NOT NULL,
        url           TEXT NOT NULL,
        host          TEXT NOT NULL,
        method        TEXT NOT NULL,
        database      TEXT NOT NULL,
        file          TEXT NOT NULL,
        content_type  TEXT NOT NULL,
        sha256        TEXT NOT NULL,
        bytes         INTEGER NOT NULL,
        state         TEXT NOT NULL,
        attempts      INTEGER NOT NULL,
        fast_failures INTEGER NOT NULL,
        slow_failures INTEGER NOT NULL,
        created_wall  REAL NOT NULL,
        since_wall    REAL NOT NULL,
        next_wall     REAL NOT NULL,
        finished_wall REAL NOT NULL,
        last_status   INTEGER,
        last_error    TEXT NOT NULL,
        lease_owner   TEXT NOT NULL,
        lease_until   REAL NOT NULL
    ) STRICT;
    CREATE INDEX deliveries_recording ON deliveries (recording_id);
    CREATE INDEX deliveries_created ON deliveries (created_wall);
    CREATE INDEX deliveries_due ON deliveries (host, next_wall) WHERE state IN ('QUEUED', 'WAITING');
    CREATE INDEX deliveries_next ON deliveries (next_wall) WHERE state IN ('QUEUED', 'WAITING');
    CREATE INDEX deliveries_sending ON deliveries (lease_owner) WHERE state = 'SENDING';
    CREATE INDEX deliveries_leftover ON deliveries (id) WHERE state = 'DELIVERED' AND file <> '';
    CREATE TABLE attempts (
        delivery_id  TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
        number       INTEGER NOT NULL,
        started_wall REAL NOT NULL,
        seconds      REAL NOT NULL,
        outcome      TEXT NOT NULL,
        status       INTEGER,
        address      TEXT NOT NULL,
        error        TEXT NOT NULL,
        answer       BLOB NOT NULL,
        PRIMARY KEY (delivery_id, number)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE changes (
        account_id   TEXT NOT NULL,
        kind         TEXT NOT NULL,
        document_id  TEXT NOT NULL,
        patch        TEXT NOT NULL,
        revision     INTEGER NOT NULL,
        changed_wall REAL NOT NULL,
        PRIMARY KEY (account_id, kind, document_id)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE INDEX recordings_mailbox ON recordings (account_id, json_extract(document, '$.mailbox_id'))
        WHERE origin = 'voicemail';
    """,
    """
    CREATE TABLE new_deliveries (
        id            TEXT PRIMARY KEY,
        recording_id  TEXT REFERENCES recordings (id) ON DELETE CASCADE,
        kind          TEXT NOT NULL,
        url           TEXT NOT NULL,
        host          TEXT NOT NULL,
        method        TEXT NOT NULL,
        database      TEXT NOT NULL,
        file          TEXT NOT NULL,
        content_type  TEXT NOT NULL,
        sha256        TEXT NOT NULL,
        bytes         INTEGER NOT NULL,
        state         TEXT NOT NULL,
        attempts      INTEGER NOT NULL,
        fast_failures INTEGER NOT NULL,
        slow_failures INTEGER NOT NULL,
        created_wall  REAL NOT NULL,
        since_wall    REAL NOT NULL,
        next_wall     REAL NOT NULL,
        finished_wall REAL NOT NULL,
        last_status   INTEGER,
        last_error    TEXT NOT NULL,
        lease_owner   TEXT NOT NULL,
        lease_until   REAL NOT NULL,
        message       TEXT NOT NULL DEFAULT ''
    ) STRICT;
    INSERT INTO new_deliveries SELECT *, '' FROM deliveries;
    DROP TABLE deliveries;
    ALTER TABLE new_deliveries RENAME TO deliveries;
    CREATE INDEX deliveries_recording ON deliveries (recording_id);
    CREATE INDEX deliveries_created ON deliveries (created_wall);
    CREATE INDEX deliveries_due ON deliveries (host, next_wall) WHERE state IN ('QUEUED', 'WAITING');
    CREATE INDEX deliveries_next ON deliveries (next_wall) WHERE state IN ('QUEUED', 'WAITING');
    CREATE INDEX deliveries_sending ON deliveries (lease_owner) WHERE state = 'SENDING';
    CREATE INDEX deliveries_leftover ON deliveries (id) WHERE state = 'DELIVERED' AND file <> '';
    """,
    """
    CREATE INDEX recordings_open ON recordings (started_wall)
        WHERE state IN ('WAITING', 'RECORDING', 'MASKED', 'PAUSED');
    """,
    """
    CREATE TABLE tokens (
        id           TEXT PRIMARY KEY,
        digest       TEXT NOT NULL,
        account_id   TEXT NOT NULL,
        scopes       TEXT NOT NULL,
        label        TEXT NOT NULL,
        created_wall REAL NOT NULL,
        expires_wall REAL,
        used_wall    REAL,
        revoked_wall REAL
    );
    """,
    """
    CREATE TABLE account_documents (
        account_id TEXT NOT NULL,
        kind       TEXT NOT NULL,
        id         TEXT NOT NULL,
        document   TEXT NOT NULL,
        PRIMARY KEY (account_id, kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE uploads (
        delivery_id TEXT PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
        url         TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE deliveries ADD COLUMN account_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE deliveries ADD COLUMN hook TEXT NOT NULL DEFAULT '';
    UPDATE deliveries SET account_id = coalesce(
        (SELECT account_id FROM recordings WHERE recordings.id = deliveries.recording_id), '');
    CREATE INDEX deliveries_account ON deliveries (account_id, created_wall);
    CREATE INDEX deliveries_hook ON deliveries (account_id, hook)
        WHERE hook <> '' AND state IN ('QUEUED', 'WAITING', 'SENDING');
    DROP INDEX deliveries_due;
    CREATE INDEX deliveries_due ON deliveries (host, next_wall, created_wall, id, account_id)
        WHERE state IN ('QUEUED', 'WAITING');
    """,
    LIBRARY,
    USED_TOKENS,
    ERASING,
    """
    CREATE INDEX recordings_counted ON recordings (state || '');
    CREATE INDEX deliveries_counted ON deliveries (state || '', created_wall);
    """,  # for counting alone: no other question is drawn to them
    TRANSCRIPTS,
    """
    CREATE INDEX deliveries_account_state ON deliveries (account_id, state, created_wall, id);
    CREATE INDEX deliveries_account_host ON deliveries (account_id, host, created_wall, id);
    """,
    ROOM,
    """
    CREATE INDEX library_length ON library (account_id, seconds, started, n, state);
    """,
    """
    CREATE INDEX deliveries_lanes ON deliveries (host, account_id, next_wall, created_wall, id)
        WHERE state IN ('QUEUED', 'WAITING');
    """,  # the accounts that send to a host take turns
)


def statements(step: str) -> Iterator[str]:
    """The statements of a step, one after the other; a trigger is one, with those inside it."""
    text = ""
    for part in step.split(";"):
        text += f"{part};"
        if sqlite3.complete_statement(text):
            yield text
            text = ""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to today's shape. Raises StorageError for a database of a later callflow."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (seen,) = connection.execute("PRAGMA user_version").fetchone()
        if seen > len(STEPS):
            raise StorageError(
                f"the database was written by a later callflow (its tables are at step {seen}, "
                f"this one knows {len(STEPS)})",
                hint="use the later version, or another state folder (--state)",
            )
        for step in STEPS[seen:]:
            for statement in statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
