"""What the delivery tests share: a state folder with files to deliver, and a server on raw sockets."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from callflow.clock import Clock, SystemClock
from callflow.delivery.deliverer import Deliverer
from callflow.documents.settings import DeliverySettings
from callflow.events import DeliveryChanged
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import (
    AttemptRow,
    DeliveryRow,
    RecordingRow,
    finish_recording,
    get_delivery,
    get_recording,
    list_attempts,
)

SETTINGS = DeliverySettings(
    allow_networks=(),
    parallel=16,
    parallel_per_host=4,
    parallel_per_account=16,
    connect_timeout_s=2.0,
    progress_timeout_s=2.0,
    keep_delivered=True,
    hosts={},
)


@dataclass
class State:
    """A state folder, its database, and what deliverers told."""

    folder: StateFolder
    database: Database
    clock: Clock = field(default_factory=SystemClock)
    events: list[DeliveryChanged] = field(default_factory=list)

    @classmethod
    def make(cls, path: Path, clock: Clock | None = None) -> State:
        folder = StateFolder.open(path)
        return cls(folder, Database.open(folder.database), clock or SystemClock())

    def enqueue(
        self,
        url: str,
        body: bytes = b"RIFF some audio",
        *,
        name: str = "1",
        method: str = "put",
        kind: str = "http",
        database: str = "",
        call_id: str = "call-1",
        due: float = 0.0,
    ) -> str:
        """Put a finished recording and its delivery there; gives the delivery's id."""
        path = self.folder.outbox / f"{name}.wav"
        path.write_bytes(body)
        now = self.clock.wall()
        digest = hashlib.sha256(body).hexdigest()
        recording = RecordingRow(
            id=f"rec-{name}",
            call_id=call_id,
            account_id="acc",
            state="READY",
            format="wav",
            channels=2,
            rate=8000,
            samples=16000,
            bytes=len(body),
            sha256=digest,
            file=self.folder.relative(path),
            target_kind=kind,
            url=url,
            started_wall=now,
            finished_wall=now,
            document={"from": "1001@example.org", "name": "call"},
        )
        delivery = DeliveryRow(
            id=f"dlv-{name}",
            recording_id=recording.id,
            kind=kind,
            url=url,
            method=method,
            database=database,
            file=recording.file,
            content_type="audio/wav",
            sha256=digest,
            bytes=len(body),
            created_wall=now,
            next_wall=due,
        )
        self.database.run(lambda conn: finish_recording(conn, recording, delivery))
        return delivery.id

    def deliverer(
        self,
        settings: DeliverySettings = SETTINGS,
        *,
        allow_loopback: bool = True,
        url_metadata: bool = False,
        halfway: Callable[[], None] = lambda: None,
    ) -> Deliverer:
        return Deliverer(
            self.database,
            self.folder,
            settings,
            self.clock,
            self.events.append,
            allow_loopback=allow_loopback,
            url_metadata=url_metadata,
            halfway=halfway,
        )

    async def deliver(self, settings: DeliverySettings = SETTINGS, seconds: float = 20) -> None:
        """Run a deliverer until the outbox is empty."""
        deliverer = self.deliverer(settings)
        try:
            async with asyncio.timeout(seconds):
                await deliverer.run(until_empty=True)
        finally:
            await deliverer.close()

    async def deliver_until(
        self,
        enough: Callable[[], bool],
        settings: DeliverySettings = SETTINGS,
        *,
        allow_loopback: bool = True,
        seconds: float = 20,
    ) -> None:
        """Run a deliverer until ``enough()``."""
        deliverer = self.deliverer(settings, allow_loopback=allow_loopback)
        running = asyncio.create_task(deliverer.run())
        try:
            async with asyncio.timeout(seconds):
                while not enough():
                    if running.done():
                        running.result()
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await deliverer.close()

    def row(self, delivery_id: str) -> DeliveryRow:
        return self.database.run(lambda conn: get_delivery(conn, delivery_id))

    def recording(self, recording_id: str) -> RecordingRow:
        return self.database.run(lambda conn: get_recording(conn, recording_id))

    def attempts(self, delivery_id: str) -> list[AttemptRow]:
        return self.database.run(lambda conn: list_attempts(conn, delivery_id))

    def changes(self, delivery_id: str) -> list[str]:
        return [event.change for event in self.events if event.delivery_id == delivery_id]


def patient(seconds: float) -> DeliverySettings:
    """SETTINGS with another progress time-out."""
    return replace(SETTINGS, progress_timeout_s=seconds)


@dataclass(frozen=True)
class RawRequest:
    """A request as it came over the wire."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_head(reader: asyncio.StreamReader) -> RawRequest:
    """Request line and headers; no body yet."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.rstrip("\r\n").split("\r\n")
    pairs = (text.partition(":") for text in rest)
    return RawRequest(line, tuple((key, value.strip()) for key, _, value in pairs), b"")


async def read_request(reader: asyncio.StreamReader) -> RawRequest:
    """A whole request with a Content-Length."""
    head = await read_head(reader)
    length = int(head.header("Content-Length") or 0)
    return replace(head, body=await reader.readexactly(length))


async def answer(writer: asyncio.StreamWriter, status: str, *headers: str, body: bytes = b"") -> None:
    """A whole answer that ends the connection."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", "")
    writer.write("\r\n".join(lines).encode("latin-1") + body)
    await writer.drain()


@asynccontextmanager
async def raw_server(
    handler: Handler, *, receive_buffer: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """A server on a raw socket; gives its base url. A handler that raises fails the test at the end."""
    problems: list[BaseException] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side hung up: some tests want just that, and look at what it did
        except Exception as error:
            problems.append(error)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, host, 0, limit=2**16)
    if receive_buffer:
        for sock in server.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
    if problems:
        raise problems[0]
