"""A file as a body that is answered while it is sent, event by event of the loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from callflow.delivery.body import FileBody
from callflow.delivery.progress import Progress

SIZE = 1000


class Transport:
    """A connection on which nothing waits."""

    closing = False

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None


class Writer:
    """Takes a piece at once; the answer to it comes before anything else can happen. ``closes``: with it the
    connection is closed, as it is where each request has its own.
    """

    def __init__(self, closes: bool) -> None:
        self.transport = Transport()
        self._closes = closes
        self.taken = 0
        self.sender: asyncio.Task[None] | None = None

    async def write(self, chunk: bytes) -> None:
        self.taken += len(chunk)
        asyncio.get_running_loop().call_soon(self._answered)

    def _answered(self) -> None:
        """What aiohttp does with who still writes when an answer has come."""
        assert self.sender is not None
        self.sender.cancel()
        self.transport.closing = self._closes


@pytest.mark.parametrize("closes", [False, True])
def test_a_yes_that_comes_with_the_last_byte_is_a_yes(tmp_path: Path, closes: bool) -> None:
    async def main() -> None:
        (tmp_path / "a.wav").write_bytes(bytes(SIZE))
        writer = Writer(closes)
        async with Progress(5, "waiting", grace=5) as progress:
            body = FileBody(tmp_path / "a.wav", SIZE, progress, lambda: None)
            writer.sender = asyncio.ensure_future(body.write_with_length(cast(Any, writer), SIZE))
            await asyncio.gather(writer.sender, return_exceptions=True)
        assert writer.taken == SIZE and body.over.is_set()
        assert body.complete, "all of it was sent"
        assert writer.sender.cancelled() == closes, "else the connection may live on"

    asyncio.run(main())
