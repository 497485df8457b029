"""10,000 recordings in the outbox, and their sender is killed with SIGKILL again and again: all arrive.

The sender is ``callflow deliveries run``; the receiver, a process of its own, writes down the name and the
digest of each file that it has answered with 201. A file may come twice (its receiver had it, the sender was
killed before it could write that down); none may be missing, and none damaged.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from aiohttp import web

from benchmarks.table import Row, options
from callflow.clock import SystemClock
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import DeliveryRow, RecordingRow, finish_recording

COUNT = 10_000
SIZE = 20_000
"""Bytes of each file."""
KILLS = 5
ALIVE_S = (2.5, 1.7, 3.1, 2.2, 2.8)
"""So long each sender lives (its start is a second of it)."""


def _enqueue(folder: StateFolder, base: str) -> dict[str, str]:
    """The digest of each file, by the name that it is sent under."""
    database, digests = Database.open(folder.database), {}
    wall = SystemClock().wall()
    rows = []
    for index in range(COUNT):
        body = index.to_bytes(4, "big") * (SIZE // 4)
        path = folder.outbox / f"r{index}.wav"
        path.write_bytes(body)
        name, digest = f"call_recording_c{index}.wav", hashlib.sha256(body).hexdigest()
        digests[name] = digest
        file = folder.relative(path)
        recording = RecordingRow(id=f"r{index}", call_id=f"c{index}", state="READY", file=file)
        delivery = DeliveryRow(
            id=f"d{index}",
            recording_id=recording.id,
            kind="http",
            url=f"{base}/{name}",
            file=file,
            content_type="audio/wav",
            sha256=digest,
            bytes=len(body),
            created_wall=wall,
        )
        rows.append((recording, delivery))

    def put(conn: sqlite3.Connection) -> None:
        for recording, delivery in rows:
            finish_recording(conn, recording, delivery)

    database.run(put)
    database.close()
    return digests


async def _receive(log: str) -> None:
    """Until the pipe is closed. What is written down was answered, or its answer was on its way."""

    async def take(request: web.Request) -> web.Response:
        digest = hashlib.sha256(await request.read()).hexdigest()
        file.write(f"{request.match_info['name']} {digest}\n")
        return web.Response(status=201)

    with Path(log).open("w", encoding="ascii") as file:  # noqa: ASYNC230 - once, before anything is served
        app = web.Application(client_max_size=10 * SIZE)
        app.router.add_put("/{name}", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await runner.cleanup()


def _send(state: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    config = state.parent / "system_config"
    config.mkdir(exist_ok=True)
    (config / "delivery.json").write_text('{"keep_delivered": false}')
    words = [sys.executable, "-m", "callflow", "deliveries", "run", "--until-empty", "--allow-loopback"]
    return subprocess.Popen(
        [*words, "--state", str(state), "--system-config", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def measure() -> Iterator[Row]:
    """Killed KILLS times; then it may end."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folder, got = StateFolder.open(root / "state"), root / "got.txt"
        words = [sys.executable, "-m", "benchmarks.outbox", json.dumps({"receive": str(got)})]
        receiver = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert receiver.stdin is not None
        assert receiver.stdout is not None
        sent = _enqueue(folder, f"http://127.0.0.1:{int(receiver.stdout.readline())}")
        began, waiting = time.perf_counter(), []
        with (root / "log.txt").open("wb") as log:
            for alive_s in ALIVE_S[:KILLS]:
                sender = _send(folder.root, log)
                time.sleep(alive_s)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(sender.pid, signal.SIGKILL)
                sender.wait()
                waiting.append(_left(folder))
            _send(folder.root, log).wait(timeout=600)
        wall = time.perf_counter() - began
        receiver.stdin.close()
        receiver.wait(timeout=60)
        arrived = Counter(line for line in got.read_text().splitlines())
        whole = sum(arrived[f"{name} {digest}"] > 0 for name, digest in sent.items())
        delivered = COUNT - _left(folder)
        files = sum(1 for _ in folder.outbox.iterdir())
    yield Row(f"{COUNT:,} queued, SIGKILL {KILLS} times: whole at the receiver", f"{whole:,}", f"{COUNT:,}",
              whole == COUNT)  # fmt: skip
    yield Row("  left in the outbox after each kill", ", ".join(f"{left:,}" for left in waiting))
    yield Row("  listed as delivered in the end", f"{delivered:,}", f"{COUNT:,}", delivered == COUNT)
    yield Row("  files left in the outbox", f"{files}", "0", files == 0)
    yield Row("  came twice (sent, killed, sent again)", f"{sum(arrived.values()) - whole:,}")
    yield Row("  all of it took", f"{wall:.1f} s")


def _left(folder: StateFolder) -> int:
    database = Database.open(folder.database)
    try:
        return int(
            database.run(
                lambda conn: conn.execute(
                    "SELECT count(*) FROM deliveries WHERE state <> 'DELIVERED'"
                ).fetchone()[0]
            )
        )
    finally:
        database.close()


if __name__ == "__main__":
    asyncio.run(_receive(options()["receive"]))
