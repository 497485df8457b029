"""The receiver of recordings, in a process of its own: keeps files, and when the last byte of each came."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.table import options


class Receiver:
    """From outside. ``url``: where recordings go; ``arrived()``: file name to ``time.monotonic``, bytes."""

    def __init__(self, folder: Path) -> None:
        words = [sys.executable, "-m", "benchmarks._load_receiver", json.dumps({"folder": str(folder)})]
        self._process = subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{self._answer()}/rec"

    def arrived(self) -> dict[str, list[float]]:
        """What has come so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        found: dict[str, list[float]] = self._answer()
        return found

    def close(self) -> None:
        self._process.communicate(timeout=10)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


async def _receive(folder: Path) -> None:
    came: dict[str, list[float]] = {}

    async def take(request: web.Request) -> web.Response:
        name = request.match_info["name"].replace("/", "_")
        size = 0
        with (folder / name).open("wb") as file:
            async for part in request.content.iter_any():
                size += file.write(part)
        came[name] = [time.monotonic(), size]
        return web.Response(status=201)

    app = web.Application(client_max_size=0)
    app.router.add_put("/rec/{name}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(came), flush=True)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_receive(Path(options()["folder"])))
