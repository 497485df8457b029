"""Layer 2: a file as the body of a request: read in pieces while it is sent, opened anew each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from callflow.delivery.progress import Progress

CHUNK = 256 * 1024
"""Bytes read at a time: the most of a file that is ever in memory, with the transport's own buffer."""


class FileBody(aiohttp.Payload):
    """Sends ``path``, exactly ``size`` bytes long, from byte ``begin`` on. ``problem``: why the file could
    not be read, if so.
    """

    def __init__(
        self, path: Path, size: int, progress: Progress, halfway: Callable[[], None], begin: int = 0
    ) -> None:
        super().__init__(path)
        self._size = size - begin
        self._begin = begin
        self._path = path
        self._progress = progress
        self._halfway = halfway
        self.problem = ""
        self.over = asyncio.Event()
        self.complete = False

    @property
    def autoclose(self) -> bool:
        return True  # nothing is open between two writes

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a file body is only ever streamed")

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._consumed = (
            True  # aiohttp shall not quietly send it a second time: that is an attempt of its own
        )
        self._progress.step("sending")
        transport = getattr(writer, "transport", None)
        if transport is not None:
            self._progress.watch(transport)
        sending = asyncio.ensure_future(self._send(writer))
        try:
            await self._to_the_end(sending, transport)
        finally:
            # The answer may come, and cancel us, before we are told that the last byte was sent.
            self.complete = sending.done() and not sending.cancelled() and sending.exception() is None
            self.over.set()  # before anything is awaited
            if not sending.done():
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _to_the_end(self, sending: asyncio.Future[None], transport: asyncio.Transport | None) -> None:
        """Wait for ``sending``, also beyond an answer that comes early.

        A receiver may answer before it has read everything. aiohttp takes that as the end and cancels us;
        but its answer counts only if it takes the whole file, so we go on while the connection is open.
        (Whoever gives up closes the connection first.)
        """
        task = asyncio.current_task()
        while True:
            try:
                return await asyncio.shield(sending)
            except asyncio.CancelledError:
                if task is None or transport is None or transport.is_closing() or sending.cancelled():
                    raise
                task.uncancel()

    async def _send(self, writer: AbstractStreamWriter) -> None:
        left = self._size or 0
        told = False
        try:
            file = self._path.open("rb", buffering=0)
        except OSError as error:
            self.problem = f"the file {self._path.name} cannot be read: {error.strerror}"
            raise
        with file:
            file.seek(self._begin)
            while left:
                try:
                    chunk = file.read(min(CHUNK, left))
                except OSError as error:
                    self.problem = f"the file {self._path.name} cannot be read: {error.strerror}"
                    raise
                if not chunk:
                    self.problem = f"the file {self._path.name} is {left} bytes shorter than it was"
                    raise OSError(self.problem)
                left -= len(chunk)
                await writer.write(chunk)
                self._progress.step()
                if not told and left <= (self._size or 0) // 2:
                    told = True
                    self._halfway()
        self._progress.step("waiting for the answer")
