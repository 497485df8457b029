"""Layer 6: how the server stands at this moment: is it ready for calls, what is in its store and its outbox.

Who asks is bounded: an answer is kept for a moment, so that a thousand questions cost one look.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callflow.errors import CallflowError
from callflow.exchange.exchange import Exchange
from callflow.log import one_line
from callflow.recording.farm import MediaFarm
from callflow.state.folder import StateFolder
from callflow.state.records import ACTIVE

LEAST_FREE_BYTES = 100_000_000
"""With less on the disk of the state folder the server is not ready: recordings would soon fail."""
ANSWER_S = 5.0
"""A disk or database that does not answer for so long does not work."""
KEPT_S = 2.0


@dataclass(frozen=True, slots=True)
class Contents:
    """What the state folder holds. ``oldest_wall``: when the delivery that has waited longest was made (0:
    none waits); bytes of the spool and of the disk.
    """

    recordings: Mapping[str, int]
    deliveries: Mapping[str, int]
    waiting: int
    oldest_wall: float
    spool_bytes: int
    spools: int
    disk_bytes: int
    free_bytes: int


class Standing:
    """Answers for one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._lock = asyncio.Lock()
        self._ready: tuple[float, dict[str, str]] | None = None
        self._contents: tuple[float, Contents] | None = None

    async def troubles(self) -> dict[str, str]:
        """What keeps it from taking calls and recording them, by part; empty: it is ready."""
        async with self._lock:
            now = self._exchange.clock.now()
            if self._ready is None or now - self._ready[0] > KEPT_S:
                self._ready = (now, await self._look())
            return dict(self._ready[1])

    async def contents(self) -> Contents:
        """What is there. Raises StorageError."""
        async with self._lock:
            now = self._exchange.clock.now()
            if self._contents is None or now - self._contents[0] > KEPT_S:
                self._contents = (now, await self._count())
            return self._contents[1]

    # ---- inside ------------------------------------------------------------------------------

    async def _look(self) -> dict[str, str]:
        exchange = self._exchange
        found: dict[str, str] = {}
        if exchange.draining:
            found["sip"] = "it takes no more calls: it is about to end"
        elif not exchange.started:
            found["sip"] = "it does not listen yet"
        media = exchange.engine.media
        if isinstance(media, MediaFarm) and media.down:
            found["media"] = f"{media.down} of {exchange.options.media.workers} media processes are down"
        found |= {"database": await self._database(), "disk": await self._disk()}
        return {part: why for part, why in found.items() if why}

    async def _database(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._exchange.engine.database.arun(_write)
        except TimeoutError:
            return f"nothing can be written for {ANSWER_S:g} s"
        except CallflowError as error:
            return f"it cannot be written: {one_line(error.code)}"
        return ""

    async def _disk(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_S):
                usage = await asyncio.to_thread(shutil.disk_usage, self._exchange.engine.folder.root)
        except TimeoutError:
            return f"it does not answer for {ANSWER_S:g} s"
        except OSError as error:
            return f"it cannot be looked at: {error.strerror}"
        if usage.free < LEAST_FREE_BYTES:
            return f"only {usage.free // 1_000_000} MB are free"
        return ""

    async def _count(self) -> Contents:
        engine = self._exchange.engine
        recordings, deliveries, waiting, oldest = await engine.database.arun(_counts)
        sizes = await asyncio.to_thread(_spooled, engine.folder)
        return Contents(recordings, deliveries, waiting, oldest, *sizes)


def _write(conn: sqlite3.Connection) -> None:
    """A commit that reaches the disk and changes nothing."""
    (seen,) = conn.execute("PRAGMA user_version").fetchone()
    conn.execute(f"PRAGMA user_version = {int(seen)}")


def _counts(conn: sqlite3.Connection) -> tuple[dict[str, int], dict[str, int], int, float]:
    """By the indexes that are there for it (``state || ''``)."""
    recordings = dict(conn.execute("SELECT state || '', count(*) FROM recordings GROUP BY 1").fetchall())
    deliveries = dict(conn.execute("SELECT state || '', count(*) FROM deliveries GROUP BY 1").fetchall())
    marks = ", ".join("?" * len(ACTIVE))
    oldest = conn.execute(f"SELECT min(created_wall) FROM deliveries WHERE state || '' IN ({marks})", ACTIVE)
    waiting = sum(deliveries.get(state, 0) for state in ACTIVE)
    return recordings, deliveries, waiting, float(oldest.fetchone()[0] or 0.0)


def _spooled(folder: StateFolder) -> tuple[int, int, int, int]:
    """Bytes and number of spools, bytes of the disk and how many of them are free. Files that go at this
    moment count nothing.
    """
    size = count = 0
    for spool in folder.spools():
        count += 1
        size += sum(_size(path) for path in spool.glob("*"))
    usage = shutil.disk_usage(folder.root)
    return size, count, usage.total, usage.free


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
