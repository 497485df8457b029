"""Layer 1: recordings, found by what is asked for, page by page.

Every list goes from the latest start to the earliest, or back, and a page begins after a key (start and
``n``), so that a page costs the same wherever it is and nothing is told twice when recordings come in
meanwhile. Which index leads is chosen here, not left to SQLite: it has no statistics of ours.
Every function takes a connection inside a transaction: call it through ``Reader.arun`` or ``Database.run``.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from callflow.errors import BadFilter
from callflow.state.erasing import Hold, hold_of
from callflow.state.filters import Filter
from callflow.state.records import DeliveryRow, RecordingRow, deliveries_of_recordings, recordings_of

PAGE = 50
"""Recordings of a page, if nobody says how many."""
MOST_PAGE = 1000
MOST_FOUND = 3000
"""So many recordings that have a word, or a length, are put in order; with more, they are looked through."""

_KEY = re.compile(r"(-?\d{1,15}(?:\.\d{1,17})?(?:e[+-]?\d{1,3})?)_(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Key:
    """A recording's place in every list. ``started``: seconds since 1970."""

    started: float
    n: int

    def __str__(self) -> str:
        return f"{self.started!r}_{self.n}"

    @classmethod
    def read(cls, text: str) -> Key:
        """A key as it was told. Raises BadFilter."""
        found = _KEY.fullmatch(text)
        started = float(found[1]) if found else math.inf
        if found is None or not math.isfinite(started):
            raise BadFilter("start_key is not one of ours", hint="use next_start_key of the page before")
        return cls(started, int(found[2]))


@dataclass(frozen=True, slots=True)
class Page:
    """Some recordings in order. ``start``, ``next``: the keys of the first of them and of the first of the
    next page; None: there is none.
    """

    rows: tuple[RecordingRow, ...]
    start: Key | None
    next: Key | None


@dataclass(frozen=True, slots=True)
class _Way:
    """Where the looking begins: a FROM and the columns of the order, and what holds there already."""

    source: str
    where: tuple[str, ...] = ()
    values: tuple[object, ...] = ()
    order: str = "l"


def find_page(
    conn: sqlite3.Connection,
    wanted: Filter,
    *,
    size: int = PAGE,
    start: Key | None = None,
    ascending: bool = False,
) -> Page:
    """At most ``size`` (1 to MOST_PAGE) recordings that are wanted, from ``start`` (inclusive) on."""
    size = max(1, min(size, MOST_PAGE))
    text, values = page_query(conn, wanted, size=size, start=start, ascending=ascending)
    conn.create_function("has_words", 2, _has_words, deterministic=True)
    found = conn.execute(text, values).fetchall()
    keys = [Key(started, n) for _, started, n in found]
    by_id = {row.id: row for row in recordings_of(conn, [id for id, *_ in found[:size]])}
    rows = tuple(by_id[id] for id, *_ in found[:size] if id in by_id)
    return Page(rows, keys[0] if keys else None, keys[size] if len(keys) > size else None)


def find_recordings(conn: sqlite3.Connection, wanted: Filter, limit: int) -> list[RecordingRow]:
    """At most ``limit`` recordings that are wanted, the latest first."""
    found: list[RecordingRow] = []
    start: Key | None = None
    while len(found) < limit:
        page = find_page(conn, wanted, size=min(MOST_PAGE, limit - len(found)), start=start)
        found += page.rows
        start = page.next
        if start is None:
            break
    return found


def page_query(
    conn: sqlite3.Connection, wanted: Filter, *, size: int, start: Key | None, ascending: bool = False
) -> tuple[str, tuple[object, ...]]:
    """The query of a page, with one recording more: ``(id, started, n)`` in order."""
    way = _way(conn, wanted)
    where, values = _conditions(wanted, way)
    if start is not None:
        where.append(f"({way.order}.started, {way.order}.n) {'>=' if ascending else '<='} (?, ?)")
        values += [start.started, start.n]
    direction = "ASC" if ascending else "DESC"
    text = (
        f"SELECT l.id, l.started, l.n FROM {way.source} WHERE {' AND '.join(where) or '1'} "
        f"ORDER BY {way.order}.started {direction}, {way.order}.n {direction} LIMIT ?"
    )
    return text, (*values, size + 1)


def key_of(conn: sqlite3.Connection, recording_id: str) -> Key | None:
    """The place of a recording; None: there is no such recording."""
    found = conn.execute("SELECT started, n FROM library WHERE id = ?", (recording_id,)).fetchone()
    return Key(*found) if found else None


def deliveries_of(conn: sqlite3.Connection, ids: Sequence[str]) -> dict[str, list[DeliveryRow]]:
    """The deliveries of these recordings (at most MOST_PAGE), by recording."""
    found: dict[str, list[DeliveryRow]] = {}
    for row in deliveries_of_recordings(conn, ids):
        found.setdefault(row.recording_id, []).append(row)
    return found


def holds_among(conn: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Hold]:
    """The holds that there are now of these recordings (at most MOST_PAGE), by recording."""
    marks = ", ".join("?" for _ in ids)
    found = conn.execute(
        f"SELECT DISTINCT recording_id FROM holds WHERE released_wall = 0 AND recording_id IN ({marks})",
        tuple(ids),
    )
    held = {id: hold_of(conn, id) for (id,) in found.fetchall()}
    return {id: hold for id, hold in held.items() if hold is not None}


# ---- where the looking begins ---------------------------------------------------------------


def _way(conn: sqlite3.Connection, wanted: Filter) -> _Way:
    """The way with the fewest recordings on it, as far as that can be told beforehand."""
    account = wanted.account_id
    if wanted.call_id:
        return _Way("library AS l INDEXED BY library_call", ("l.call_id = ?",), (wanted.call_id,))
    if not account:
        return _by_words(conn, wanted) or _Way("library AS l INDEXED BY library_all")
    if wanted.number and "*" not in wanted.number:
        return _Way(
            "library_numbers AS k CROSS JOIN library AS l ON l.n = k.n",
            ("k.account_id = ?", "k.number = ?"),
            (account, wanted.number),
            "k",
        )
    return _by_words(conn, wanted) or _by_length(conn, wanted) or _by_column(wanted)


def _by_words(conn: sqlite3.Connection, wanted: Filter) -> _Way | None:
    words = [*_needles(wanted.text), *([wanted.number.strip("*")] if "*" in wanted.number else [])]
    if not words:
        return None
    match = " AND ".join('"{}"'.format(word.replace('"', '""')) for word in words)
    counted = conn.execute(
        "SELECT count(*) FROM (SELECT 1 FROM library_words WHERE words MATCH ? LIMIT ?)",
        (match, MOST_FOUND + 1),
    )
    if counted.fetchone()[0] > MOST_FOUND:
        return None
    found = "(SELECT rowid AS n FROM library_words WHERE words MATCH ?) AS w"
    return _Way(f"{found} CROSS JOIN library AS l ON l.n = w.n", (), (match,))


def _by_length(conn: sqlite3.Connection, wanted: Filter) -> _Way | None:
    if wanted.owner_id or wanted.flow_id or (wanted.min_seconds is None and wanted.max_seconds is None):
        return None
    least, most = wanted.min_seconds or 0.0, wanted.max_seconds
    values = (wanted.account_id, least, math.inf if most is None else most)
    source, where = (
        "library AS l INDEXED BY library_length",
        ("l.account_id = ?", "l.seconds BETWEEN ? AND ?"),
    )
    counted = conn.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {' AND '.join(where)} LIMIT ?)",
        (*values, MOST_FOUND + 1),
    )
    return None if counted.fetchone()[0] > MOST_FOUND else _Way(source, where, values)


def _by_column(wanted: Filter) -> _Way:
    columns = (
        ("library_owner", "owner_id", wanted.owner_id),
        ("library_flow", "flow_id", wanted.flow_id),
        ("library_origin", "origin", wanted.origin),
        ("library_state", "state", wanted.states[0] if len(wanted.states) == 1 else ""),
    )
    for index, column, value in columns:
        if value:
            return _Way(
                f"library AS l INDEXED BY {index}",
                ("l.account_id = ?", f"l.{column} = ?"),
                (wanted.account_id, value),
            )
    return _Way("library AS l INDEXED BY library_time", ("l.account_id = ?",), (wanted.account_id,))


# ---- what has to hold -----------------------------------------------------------------------


def _conditions(wanted: Filter, way: _Way) -> tuple[list[str], list[object]]:
    """All that is wanted (what the way gives already does no harm twice)."""
    equal = (
        ("l.account_id", wanted.account_id),
        ("l.call_id", wanted.call_id),
        ("l.owner_id", wanted.owner_id),
        ("l.flow_id", wanted.flow_id),
        ("l.origin", wanted.origin),
    )
    found: list[tuple[str, Sequence[object]]] = [
        (f"{column} = ?", (value,)) for column, value in equal if value and f"{column} = ?" not in way.where
    ]
    if wanted.started_from is not None:
        found.append((f"{way.order}.started >= ?", (wanted.started_from,)))
    if wanted.started_before is not None:
        found.append((f"{way.order}.started < ?", (wanted.started_before,)))
    if wanted.states and "l.state = ?" not in way.where:
        found.append((f"l.state IN ({', '.join('?' for _ in wanted.states)})", wanted.states))
    if wanted.min_seconds is not None:
        found.append(("l.seconds >= ?", (wanted.min_seconds,)))
    if wanted.max_seconds is not None:
        found.append(("l.seconds <= ?", (wanted.max_seconds,)))
    if wanted.number and way.order != "k":
        found.append(_number_condition(wanted.number))
    if wanted.text:
        found.append(("has_words(l.words, ?)", ("\n".join(_needles(wanted.text)),)))
    return [*way.where, *(text for text, _ in found)], [*way.values, *(v for _, more in found for v in more)]


def _number_condition(number: str) -> tuple[str, Sequence[object]]:
    if "*" not in number:
        return "EXISTS (SELECT 1 FROM json_each(l.numbers) WHERE value = ?)", (number,)
    literal = re.sub(r"([\\%_])", r"\\\1", number)
    return (
        r"EXISTS (SELECT 1 FROM json_each(l.numbers) WHERE value LIKE ? ESCAPE '\')",
        (literal.replace("*", "%"),),
    )


def _needles(words: Sequence[str]) -> list[str]:
    """What is looked for in ``words`` of the library: its index knows three letters and more, so that of two
    letters only the beginning of a word is found.
    """
    return [word if len(word) > 2 else f" {word}" for word in words]


def _has_words(words: str, needles: str) -> bool:
    low = words.lower()
    return all(needle in low for needle in needles.split("\n"))
