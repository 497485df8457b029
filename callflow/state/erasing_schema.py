"""Layer 1: the tables of erased recordings and of holds, as a step of the schema."""

from __future__ import annotations

ERASING = """
    CREATE TABLE erased (
        n            INTEGER PRIMARY KEY AUTOINCREMENT,
        recording_id TEXT NOT NULL,
        call_id      TEXT NOT NULL,
        account_id   TEXT NOT NULL,
        state        TEXT NOT NULL,
        sha256       TEXT NOT NULL,
        bytes        INTEGER NOT NULL,
        seconds      REAL NOT NULL,
        started_wall REAL NOT NULL,
        why          TEXT NOT NULL,
        by_whom      TEXT NOT NULL,
        copies       TEXT NOT NULL,
        files        TEXT NOT NULL,
        wall         REAL NOT NULL,
        done_wall    REAL NOT NULL
    ) STRICT;
    CREATE INDEX erased_recording ON erased (recording_id);
    CREATE INDEX erased_account ON erased (account_id, n);
    CREATE INDEX erased_undone ON erased (n) WHERE done_wall = 0;
    CREATE TABLE holds (
        n             INTEGER PRIMARY KEY AUTOINCREMENT,
        recording_id  TEXT NOT NULL,
        reason        TEXT NOT NULL,
        by_whom       TEXT NOT NULL,
        wall          REAL NOT NULL,
        released_by   TEXT NOT NULL,
        released_wall REAL NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX holds_now ON holds (recording_id) WHERE released_wall = 0;
    CREATE INDEX holds_recording ON holds (recording_id);
    CREATE INDEX recordings_finished ON recordings (account_id, finished_wall);
    CREATE INDEX recordings_kept ON recordings (account_id, bytes) WHERE file <> '';
"""
"""The step that makes their tables, and the indexes that retention and quota look by."""

_PLACE = (  # not OR IGNORE: the conflict clause of the statement that fires a trigger is stronger
    "INSERT INTO room SELECT new.account_id, 0 "
    "WHERE NOT EXISTS (SELECT 1 FROM room WHERE account_id = new.account_id)"
)
_MORE = "UPDATE room SET bytes = bytes + new.bytes WHERE account_id = new.account_id"
_LESS = "UPDATE room SET bytes = bytes - old.bytes WHERE account_id = old.account_id"

ROOM = f"""
    DROP INDEX recordings_kept;
    CREATE INDEX recordings_oldest ON recordings (finished_wall, id) WHERE file <> '';
    CREATE TABLE room (
        account_id TEXT PRIMARY KEY,
        bytes      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO room SELECT account_id, coalesce(sum(CASE WHEN file <> '' THEN bytes END), 0)
        FROM recordings GROUP BY account_id;
    CREATE TRIGGER room_opened AFTER INSERT ON recordings BEGIN
        INSERT INTO room SELECT new.account_id, 0 WHERE NOT EXISTS
            (SELECT 1 FROM room WHERE account_id = new.account_id);
        {_MORE} AND new.file <> '';
    END;
    CREATE TRIGGER room_taken AFTER UPDATE OF file, bytes, account_id ON recordings
        WHEN old.file <> new.file OR old.bytes <> new.bytes OR old.account_id <> new.account_id
    BEGIN
        INSERT INTO room SELECT new.account_id, 0 WHERE NOT EXISTS
            (SELECT 1 FROM room WHERE account_id = new.account_id);
        {_LESS} AND old.file <> '';
        {_MORE} AND new.file <> '';
    END;
    CREATE TRIGGER room_freed AFTER DELETE ON recordings WHEN old.file <> '' BEGIN
        {_LESS};
    END;
"""
"""The step that makes triggers count the bytes of files that are here, whoever writes."""
