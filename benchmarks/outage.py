"""A receiver that is down for a day (virtual time), with 1,000 recordings queued: all arrive, memory is flat.

The deliverer and its schedule are real, and so is each connection that is refused; only waiting is virtual.
The state folder is in memory where there is ``/dev/shm``: each attempt is two transactions, and their waiting
for the disk is what a day has time for, and this has not.

``python -m benchmarks.outage '{"count": 10000}'`` does it with as many as issue 5 asks for.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from benchmarks.table import Measured, Row, child, options
from callflow.clock import VirtualClock, run_virtual
from callflow.delivery.deliverer import Deliverer
from callflow.documents.settings import load_settings
from callflow.events import DeliveryChanged
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import DeliveryRow, RecordingRow, finish_recording
from tests.ports import free_ports

COUNT = 1_000
"""Each is tried 28 times in that day."""
DAY = 86_400.0
WALL = 1_795_000_000.0


def _enqueue(folder: StateFolder, database: Database, base: str, count: int) -> dict[str, str]:
    digests = {}

    def put(conn: sqlite3.Connection) -> None:
        for index in range(count):
            body = index.to_bytes(4, "big") * 250
            path = folder.outbox / f"r{index}.wav"
            path.write_bytes(body)
            digests[f"{index}.wav"] = digest = hashlib.sha256(body).hexdigest()
            recording = RecordingRow(
                id=f"r{index}",
                call_id=f"c{index}",
                account_id="acme",
                state="READY",
                file=folder.relative(path),
            )
            delivery = DeliveryRow(
                id=f"d{index}",
                recording_id=recording.id,
                kind="http",
                url=f"{base}/{index}.wav",
                file=recording.file,
                content_type="audio/wav",
                sha256=digest,
                bytes=len(body),
                created_wall=WALL + index / count,
            )
            finish_recording(conn, recording, delivery)

    database.run(put)
    return digests


def work(count: int) -> dict[str, float]:
    """In a process of its own."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as name, Measured() as measured:
        folder = StateFolder.open(Path(name))
        database = Database.open(folder.database)
        clock = VirtualClock(WALL)
        arrived: list[str] = []
        tried: Counter[str] = Counter()
        facts: dict[str, float] = {}

        async def main() -> None:
            port = free_ports(1)
            sent = _enqueue(folder, database, f"http://127.0.0.1:{port}", count)

            async def take(request: web.Request) -> web.Response:
                digest = hashlib.sha256(await request.read()).hexdigest()
                assert sent[request.match_info["name"]] == digest
                arrived.append(request.match_info["name"])
                return web.Response(status=201)

            def heard(event: DeliveryChanged) -> None:
                tried[event.change] += 1

            settings = replace(load_settings().delivery, keep_delivered=False)
            deliverer = Deliverer(database, folder, settings, clock, heard, allow_loopback=True)
            running = asyncio.create_task(deliverer.run(until_empty=True))
            await clock.sleep(3600.0)
            facts["after an hour"] = _resident_mb()
            await clock.sleep(DAY - 3600.0)
            facts["after a day"] = _resident_mb()
            app = web.Application()
            app.router.add_put("/{name}", take)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await running
            facts["at the end"] = _resident_mb()
            facts["hours"] = clock.now() / 3600
            await deliverer.close()
            await runner.cleanup()

        run_virtual(main(), clock)
        database.close()
        facts["arrived"], facts["twice"] = len(set(arrived)), len(arrived) - len(set(arrived))
        facts["failures"], facts["dead"] = tried["waiting"], tried["dead"]
        facts["files"] = len(list(folder.outbox.iterdir()))
    return {**facts, "wall": measured.used.wall_s, "cpu": measured.used.cpu_s}


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def measure() -> Iterator[Row]:
    """One day."""
    got = child("benchmarks.outage", {"count": COUNT})
    whole = got["arrived"] == COUNT and not got["twice"] and not got["dead"]
    yield Row(
        f"{COUNT:,} queued, the receiver down for a day: arrived, once",
        f"{got['arrived']:,.0f}",
        f"{COUNT:,}",
        whole,
    )
    grown = got["after a day"] - got["after an hour"]
    yield Row("  attempts that failed meanwhile", f"{got['failures']:,.0f}")
    yield Row("  memory after an hour, a day, at the end", ", ".join(
        f"{got[when]:.0f} MB" for when in ("after an hour", "after a day", "at the end")
    ), "flat", grown < 10)  # fmt: skip
    yield Row("  all were there after", f"{got['hours']:.1f} h")
    yield Row("  files left in the outbox", f"{got['files']:.0f}", "0", not got["files"])
    yield Row("  it took", f"{got['wall']:.0f} s, CPU {got['cpu']:.0f} s")


if __name__ == "__main__":
    print(json.dumps(work(**options())))
