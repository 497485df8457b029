"""From the outbox to S3-compatible storage over loopback, and the library's own upload of the same files.

The server only speaks as much S3 as an upload needs, keeps nothing, and runs in a process of its own: real
ones cost more CPU than the machine has left. Both ways sign every byte (SHA-256), as plain HTTP demands. What
is compared is the CPU of the sending process; ours has the outbox's database in it.

``python -m benchmarks.storage '{"gb": 10}'`` for another amount.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import obstore
from aiohttp import web
from obstore.store import S3Store

from benchmarks.table import Measured, Row, child, options, peak_mb
from callflow.clock import SystemClock
from callflow.delivery.deliverer import Deliverer
from callflow.documents.settings import load_settings
from callflow.documents.storage import Place, locator, make_place
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import DeliveryRow, RecordingRow, finish_recording

GB = 2.0
FIVE_MINUTES = 300 * 8000 * 2 * 2
"""Bytes of a five-minute stereo WAV at 8 kHz."""
HOUR = 3600 * 8000 * 2 * 2
PARALLEL = 4


def _sizes(gb: float) -> list[int]:
    """One in ten gigabytes' bytes is an hour's recording, the rest lasts five minutes."""
    total = int(gb * 1e9)
    hours = max(1, total // 10 // HOUR)
    return [HOUR] * hours + [FIVE_MINUTES] * ((total - hours * HOUR) // FIVE_MINUTES)


def _place(port: int) -> Place:
    settings = {"bucket": "recordings", "key": "k", "secret": "s", "host": "127.0.0.1", "port": port}
    place = make_place("p", {"handler": "s3", "settings": {**settings, "scheme": "http"}})
    assert place is not None
    return place


def _write(folder: Path, sizes: list[int]) -> list[Path]:
    """Files of zeros that take no room on the disk."""
    paths = []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.wav"
        with path.open("wb") as file:
            file.truncate(size)
        paths.append(path)
    return paths


async def _serve() -> None:
    """Until the pipe is closed."""

    async def take(request: web.Request) -> web.Response:
        while await request.content.readany():
            pass
        if request.method == "HEAD":
            return web.Response(status=404)
        if request.method == "POST" and "uploads" in request.query:
            return web.Response(
                text="<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
            )
        if request.method == "POST":
            return web.Response(
                text='<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
            )
        return web.Response(headers={"ETag": '"e"'})

    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{name:.*}", take)
    runner = web.AppRunner(app, access_log=None, read_bufsize=2**20)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


async def _library(paths: list[Path], place: Place) -> None:
    settings = place.settings
    store = S3Store(
        "recordings",
        endpoint=f"http://127.0.0.1:{settings['port']}",
        region="us-east-1",
        access_key_id="k",
        secret_access_key="s",
        client_options={"allow_http": True},
    )
    free = asyncio.Semaphore(PARALLEL)

    async def send(path: Path) -> None:
        async with free:
            await obstore.put_async(store, f"recordings/{path.name}", path)

    await asyncio.gather(*map(send, paths))


def _enqueue(folder: StateFolder, database: Database, paths: list[Path], place: Place) -> None:
    def put(conn: sqlite3.Connection) -> None:
        for path in paths:
            name, target = folder.relative(path), f"recordings/{path.name}"
            recording = RecordingRow(id=f"r{path.stem}", call_id=f"c{path.stem}", state="READY", file=name)
            delivery = DeliveryRow(
                id=f"d{path.stem}",
                recording_id=recording.id,
                kind="storage",
                url=locator(place, target),
                database=target,
                message=place.to_json(),
                file=name,
                content_type="audio/wav",
                sha256="0" * 64,
                bytes=path.stat().st_size,
                created_wall=1.0,
            )
            finish_recording(conn, recording, delivery)

    database.run(put)


async def _send(ours: bool, gb: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = StateFolder.open(Path(name))
        database = Database.open(folder.database)
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.storage", '{"serve": true}'),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert server.stdin is not None and server.stdout is not None
        place = _place(int(await server.stdout.readline()))
        paths = _write(folder.outbox, _sizes(gb))
        settings = replace(load_settings().delivery, keep_delivered=True, parallel_per_host=PARALLEL)
        _enqueue(folder, database, paths, place)
        deliverer = Deliverer(
            database, folder, settings, SystemClock(), lambda event: None, allow_loopback=True
        )
        before = peak_mb()
        with Measured() as measured:
            if ours:
                await deliverer.run(until_empty=True)
            else:
                await _library(paths, place)
        await deliverer.close()
        (left,) = database.run(
            lambda conn: conn.execute("SELECT count(*) FROM deliveries WHERE state <> 'DELIVERED'").fetchone()
        )
        database.close()
        server.stdin.close()
        await server.wait()
        if ours and left:
            raise RuntimeError(f"{left} of {len(paths)} are not delivered")
    used = measured.used
    return {"wall_s": used.wall_s, "cpu_s": used.cpu_s, "more_mb": used.peak_mb - before, "files": len(paths)}


def measure(gb: float = GB) -> Iterator[Row]:
    """Each in a process of its own, with a server of its own."""
    theirs = child("benchmarks.storage", {"ours": False, "size": gb})
    ours = child("benchmarks.storage", {"ours": True, "size": gb})
    yield Row(f"{gb:g} GB, {ours['files']} recordings, to S3-compatible storage", f"{ours['wall_s']:.1f} s")
    yield Row("  CPU of the sending process", f"{ours['cpu_s']:.2f} s")
    yield Row("  CPU of the library's own upload (obstore) of the same files", f"{theirs['cpu_s']:.2f} s")
    ratio = ours["cpu_s"] / theirs["cpu_s"]
    yield Row("  ours to the library's", f"{ratio:.2f}", "at most 1.5", ratio <= 1.5)
    yield Row("  memory it takes (the library's)", f"{ours['more_mb']:.0f} MB ({theirs['more_mb']:.0f} MB)")


if __name__ == "__main__":
    asked = options() if len(sys.argv) > 1 else {}
    if asked.get("serve"):
        asyncio.run(_serve())
    elif "ours" in asked:
        print(json.dumps(asyncio.run(_send(asked["ours"], asked["size"]))))
    else:
        from benchmarks.table import machine, show

        print(machine())
        show(measure(float(asked.get("gb", GB))))
