"""Layer 1: the table of transcripts, as a step of the schema. What is done with it: transcripts.py."""

from __future__ import annotations

TRANSCRIPTS = """
    CREATE TABLE transcripts (
        id            TEXT PRIMARY KEY,
        recording_id  TEXT NOT NULL UNIQUE REFERENCES recordings (id) ON DELETE CASCADE,
        state         TEXT NOT NULL,
        wish          TEXT NOT NULL,
        attempts      INTEGER NOT NULL,
        next_wall     REAL NOT NULL,
        created_wall  REAL NOT NULL,
        finished_wall REAL NOT NULL,
        file          TEXT NOT NULL,
        bytes         INTEGER NOT NULL,
        error         TEXT NOT NULL
    ) STRICT;
    CREATE INDEX transcripts_wanted ON transcripts (next_wall, created_wall)
        WHERE state IN ('WANTED', 'RUNNING');
    CREATE INDEX recordings_clips ON recordings (finished_wall)
        WHERE origin = 'ncco input' AND state = 'READY';
"""
"""The step of the schema that makes their table."""
