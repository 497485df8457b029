"""From the outbox to a receiver over loopback HTTP: many small files, and one large one.

The receiver is aiohttp too and runs in a process of its own; the files are on disk and in the outbox before
the clock starts. What is measured is the deliverer as ``callflow run`` uses it, database included.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from benchmarks.table import Measured, Row, child, options, peak_mb
from callflow.clock import SystemClock
from callflow.delivery.deliverer import Deliverer
from callflow.documents.settings import load_settings
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import DeliveryRow, RecordingRow, finish_recording

TEN_SECONDS = 10 * 8000 * 2 * 2
"""Bytes of a 10-second stereo WAV at 8 kHz, without its header."""
BIG = 200_000_000


def _enqueue(folder: StateFolder, database: Database, base: str, count: int, size: int) -> None:
    digest = hashlib.sha256()
    block = bytes(64_000)
    for _ in range(size // len(block)):
        digest.update(block)
    rows = []
    for number in range(count):
        path = folder.outbox / f"{number}.wav"
        with path.open("wb") as file:
            for _ in range(size // len(block)):
                file.write(block)
        name = folder.relative(path)
        recording = RecordingRow(id=f"r{number}", call_id=f"c{number}", state="READY", file=name)
        delivery = DeliveryRow(
            id=f"d{number}",
            recording_id=recording.id,
            kind="http",
            url=f"{base}/call_recording_c{number}.wav",
            file=name,
            content_type="audio/wav",
            sha256=digest.hexdigest(),
            bytes=size,
            created_wall=1.0,
        )
        rows.append((recording, delivery))

    def put(conn: sqlite3.Connection) -> None:
        for recording, delivery in rows:
            finish_recording(conn, recording, delivery)

    database.run(put)


async def _receive() -> None:
    """In a process of its own: read bodies, count bytes, until the pipe is closed."""

    async def take(request: web.Request) -> web.Response:
        async for _ in request.content.iter_any():
            pass
        return web.Response(status=201)

    app = web.Application(client_max_size=0)
    app.router.add_put("/{name}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


async def _deliver(count: int, size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = StateFolder.open(Path(name))
        database = Database.open(folder.database)
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.delivery", '{"receive": true}'),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(await server.stdout.readline())
        _enqueue(folder, database, f"http://127.0.0.1:{port}", count, size)
        settings = replace(load_settings().delivery, keep_delivered=True)
        deliverer = Deliverer(
            database, folder, settings, SystemClock(), lambda event: None, allow_loopback=True
        )
        before = peak_mb()
        with Measured() as measured:
            await deliverer.run(until_empty=True)
        await deliverer.close()
        done = database.run(
            lambda conn: conn.execute("SELECT count(*) FROM deliveries WHERE state = 'DELIVERED'").fetchone()[
                0
            ]
        )
        database.close()
        server.stdin.close()
        await server.wait()
    if done != count:
        raise RuntimeError(f"{done} of {count} delivered")
    used = measured.used
    return {"wall_s": used.wall_s, "cpu_s": used.cpu_s, "peak_mb": used.peak_mb, "before_mb": before}


def measure() -> Iterator[Row]:
    """Each in a process of its own; its receiver is another one."""
    many = child("benchmarks.delivery", {"count": 1000, "size": TEN_SECONDS})
    wall = many["wall_s"]
    yield Row("1,000 finished 10-second recordings delivered", f"{wall:.2f} s", "under 10 s", wall < 10)
    yield Row("  CPU of the sending process, a recording", f"{many['cpu_s']:.2f} ms")
    big = child("benchmarks.delivery", {"count": 1, "size": BIG})
    more = big["peak_mb"] - big["before_mb"]
    rate = BIG / 1e6 / big["wall_s"]
    yield Row("a 200 MB file delivered", f"{rate:.0f} MB/s")
    yield Row("  memory it takes", f"{more:.1f} MB", "under 20 MB", more < 20)


if __name__ == "__main__":
    asked = options()
    if asked.get("receive"):
        asyncio.run(_receive())
    else:
        print(json.dumps(asyncio.run(_deliver(asked["count"], asked["size"]))))
