"""Layer 1: the tables by which recordings are found again: filled by triggers, whoever writes a recording.

``library`` has a narrow row for each recording, with what can be asked for; ``library_numbers`` the numbers
of its parties; ``library_words`` an index of triples of letters, so that any part of a word is found.
``n`` counts recordings as they were listed: with the instant of the start it gives every list one order.
"""

from __future__ import annotations

COLUMNS = "id, account_id, started, state, seconds, origin, call_id, owner_id, flow_id, numbers, words"


def _text(field: str) -> str:
    return f"coalesce(CAST(json_extract(doc, '$.{field}') AS TEXT), '')"


def _number(field: str) -> str:
    """The number in ``number`` or ``number@realm``, without a ``+``."""
    text = _text(field)
    return f"ltrim(substr({text}, 1, instr({text} || '@', '@') - 1), '+')"


_NUMBERS = ", ".join(_number(field) for field in ("from", "to", "caller_id_number", "callee_id_number"))
# A name that nobody gave (32 hexadecimal digits) is nothing to look for, and would be most of the index.
_WORDS = "' ' || " + " || ' ' || ".join(
    [
        "{row}.label",
        "CASE WHEN substr({row}.media_name, 1, 32) GLOB '*[^0-9a-f]*' THEN {row}.media_name ELSE '' END",
        *(_text(field) for field in ("caller_id_name", "callee_id_name", "conference_name")),
        *(_number(field) for field in ("from", "to", "caller_id_number", "callee_id_number")),
    ]
)


def _facts(row: str) -> str:
    """What ``library`` keeps of a row of ``recordings``. A damaged document counts as an empty one."""
    return f"""
        SELECT {row}.id, {row}.account_id, {row}.started_wall, {row}.state,
            CASE WHEN {row}.rate > 0 THEN CAST({row}.samples AS REAL) / {row}.rate ELSE 0.0 END,
            {row}.origin, {row}.call_id, {_text("owner_id")}, {_text("callflow_id")},
            json_array({_NUMBERS}), {_WORDS.format(row=row)}
    """


_NEW_DOC = "(SELECT CASE WHEN json_valid(new.document) THEN new.document ELSE '{}' END AS doc)"

LIBRARY = f"""
    CREATE TABLE library (
        n          INTEGER PRIMARY KEY,
        id         TEXT NOT NULL UNIQUE,
        account_id TEXT NOT NULL,
        started    REAL NOT NULL,
        state      TEXT NOT NULL,
        seconds    REAL NOT NULL,
        origin     TEXT NOT NULL,
        call_id    TEXT NOT NULL,
        owner_id   TEXT NOT NULL,
        flow_id    TEXT NOT NULL,
        numbers    TEXT NOT NULL,
        words      TEXT NOT NULL
    ) STRICT;
    CREATE TABLE library_numbers (
        account_id TEXT NOT NULL,
        number     TEXT NOT NULL,
        started    REAL NOT NULL,
        n          INTEGER NOT NULL,
        PRIMARY KEY (account_id, number, started, n)
    ) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE library_words USING fts5 (
        words, content = 'library', content_rowid = 'n', tokenize = 'trigram'
    );
    CREATE TABLE peaks (
        recording_id TEXT PRIMARY KEY REFERENCES recordings (id) ON DELETE CASCADE,
        sha256       TEXT NOT NULL,
        made_wall    REAL NOT NULL,
        channels     INTEGER NOT NULL,
        buckets      INTEGER NOT NULL,
        data         BLOB NOT NULL
    ) STRICT;
    CREATE INDEX peaks_made ON peaks (made_wall);
    CREATE TRIGGER library_added AFTER INSERT ON library BEGIN
        INSERT INTO library_numbers
            SELECT DISTINCT new.account_id, value, new.started, new.n FROM json_each(new.numbers)
            WHERE value <> '';
        INSERT INTO library_words (rowid, words) VALUES (new.n, new.words);
    END;
    CREATE TRIGGER library_removed AFTER DELETE ON library BEGIN
        DELETE FROM library_numbers WHERE account_id = old.account_id AND started = old.started
            AND n = old.n AND number IN (SELECT value FROM json_each(old.numbers));
        INSERT INTO library_words (library_words, rowid, words) VALUES ('delete', old.n, old.words);
    END;
    CREATE TRIGGER library_told_anew AFTER UPDATE OF words ON library WHEN old.words <> new.words BEGIN
        INSERT INTO library_words (library_words, rowid, words) VALUES ('delete', old.n, old.words);
        INSERT INTO library_words (rowid, words) VALUES (new.n, new.words);
    END;
    CREATE TRIGGER library_dialled_anew AFTER UPDATE OF numbers, started, account_id ON library
        WHEN old.numbers <> new.numbers OR old.started <> new.started OR old.account_id <> new.account_id
    BEGIN
        DELETE FROM library_numbers WHERE account_id = old.account_id AND started = old.started
            AND n = old.n AND number IN (SELECT value FROM json_each(old.numbers));
        INSERT INTO library_numbers
            SELECT DISTINCT new.account_id, value, new.started, new.n FROM json_each(new.numbers)
            WHERE value <> '';
    END;
    CREATE TRIGGER recordings_listed AFTER INSERT ON recordings BEGIN
        INSERT INTO library ({COLUMNS}) {_facts("new")} FROM {_NEW_DOC};
    END;
    CREATE TRIGGER recordings_unlisted AFTER DELETE ON recordings BEGIN
        DELETE FROM library WHERE id = old.id;
    END;
    CREATE TRIGGER recordings_changed AFTER UPDATE OF state ON recordings
        WHEN old.document = new.document AND old.samples = new.samples AND old.rate = new.rate
            AND old.started_wall = new.started_wall AND old.label = new.label
            AND old.media_name = new.media_name AND old.origin = new.origin
            AND old.call_id = new.call_id AND old.account_id = new.account_id
    BEGIN
        UPDATE library SET state = new.state WHERE id = new.id;
    END;
    CREATE TRIGGER recordings_written AFTER UPDATE ON recordings
        WHEN old.document <> new.document OR old.samples <> new.samples OR old.rate <> new.rate
            OR old.started_wall <> new.started_wall OR old.label <> new.label
            OR old.media_name <> new.media_name OR old.origin <> new.origin
            OR old.call_id <> new.call_id OR old.account_id <> new.account_id
    BEGIN
        UPDATE library SET ({COLUMNS}) = ({_facts("new")} FROM {_NEW_DOC}) WHERE id = new.id;
    END;
    INSERT INTO library ({COLUMNS}) {_facts("old")} FROM (
        SELECT *, CASE WHEN json_valid(document) THEN document ELSE '{{}}' END AS doc
        FROM recordings ORDER BY started_wall, id
    ) AS old;
    CREATE INDEX library_time ON library (account_id, started, n, state, seconds);
    CREATE INDEX library_owner ON library (account_id, owner_id, started, n, state, seconds);
    CREATE INDEX library_flow ON library (account_id, flow_id, started, n, state, seconds);
    CREATE INDEX library_state ON library (account_id, state, started, n, seconds);
    CREATE INDEX library_origin ON library (account_id, origin, started, n, state, seconds);
    CREATE INDEX library_call ON library (call_id, started, n);
    CREATE INDEX library_all ON library (started, n);
"""
"""The step that makes them, and lists what was recorded before."""
