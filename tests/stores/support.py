"""What the tests of places share: deliveries to a place, the ways there, and a TCP proxy that cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.delivery.stores.store import Upload, Ways
from callflow.documents.storage import Place, locator, make_place
from callflow.state.account_documents import put_storage
from tests.delivery.support import State

BODY = bytes(range(256)) * 2000


def place_of(handler: str, settings: Mapping[str, Any], id: str = "p") -> Place:
    """A place of a plan."""
    place = make_place(id, {"handler": handler, "settings": dict(settings)})
    assert place is not None
    return place


def enqueue(state: State, place: Place, path: str, body: bytes = BODY, name: str = "1") -> str:
    """A delivery to ``path`` at ``place``; gives its id."""
    id = state.enqueue(locator(place, path), body, name=name, kind="storage", database=path)
    state.database.run(
        lambda conn: conn.execute("UPDATE deliveries SET message = ? WHERE id = ?", (place.to_json(), id))
    )
    return id


def plan(state: State, place: Place) -> None:
    """The account's plan is this from now on."""
    storage = {"attachments": {place.id: {"handler": place.handler, "settings": dict(place.settings)}}}
    state.database.run(lambda conn: put_storage(conn, "acc", storage))


def upload(path: str, file: Path, body: bytes = BODY) -> Upload:
    """``body`` in ``file``, for ``path``."""
    import hashlib

    file.write_bytes(body)
    return Upload(path, file, len(body), "audio/wav", hashlib.sha256(body).hexdigest(), {"call_id": "c1"})


@asynccontextmanager
async def ways(*, allow_loopback: bool = True, seconds: float = 5.0) -> AsyncIterator[Ways]:
    """How places are reached, for as long as the block lasts."""
    guard = Guard(allow_loopback=allow_loopback)
    http = GuardedHttp(guard, connect_timeout_s=seconds, progress_timeout_s=seconds)
    try:
        yield Ways(http, guard, seconds, seconds)
    finally:
        await http.close()


@dataclass
class Proxy:
    """Passes bytes on to ``port``. ``limit``: cuts a connection that has sent so many; ``pause_s``: waits so
    long before each piece; ``refused``: takes no connection.
    """

    port: int
    limit: int | None = None
    pause_s: float = 0.0
    at: int = 0
    passed: int = 0
    cuts: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        backwards = asyncio.create_task(self._pass(there, writer, None))
        try:
            await self._pass(reader, back, self.limit)
        finally:
            backwards.cancel()
            for end in (back, writer):
                end.transport.abort()
            self._tasks.discard(task)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None
    ) -> None:
        count = 0
        while piece := await reader.read(65536):
            count += len(piece)
            self.passed += len(piece)
            if limit is not None and count > limit:
                self.cuts += 1
                return
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
            writer.write(piece)
            await writer.drain()

    async def close(self) -> None:
        """End what is open."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy(port: int, limit: int | None = None, pause_s: float = 0.0) -> AsyncIterator[Proxy]:
    """A proxy before the server on ``port``; its own is ``at``."""
    made = Proxy(port, limit, pause_s)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.at = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.close()
