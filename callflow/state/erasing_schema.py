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
