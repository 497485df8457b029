"""A file as a body that is answered while it is sent, event by event of the loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from callflow.delivery.body import FileBody
from callflow.delivery.progress import Progress

SIZE = 1000


class Transport:
    """An open connection on which nothing waits."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None


class Writer:
    """Takes a piece at once; the answer to it comes before anything else can happen."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.taken = 0
        self.sender: asyncio.Task[None] | None = None

    async def write(self, chunk: bytes) -> None:
        self.taken += len(chunk)
        assert self.sender is not None
        # This is what aiohttp does with who still writes when an answer has come.
        asyncio.get_running_loop().call_soon(self.sender.cancel)


def test_a_yes_that_comes_with_the_last_byte_is_a_yes(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "a.wav").write_bytes(bytes(SIZE))
        writer = Writer()
        async with Progress(5, "waiting", grace=5) as progress:
            body = FileBody(tmp_path / "a.wav", SIZE, progress, lambda: None)
            writer.sender = asyncio.ensure_future(body.write_with_length(cast(Any, writer), SIZE))
            await asyncio.gather(writer.sender, return_exceptions=True)
        assert writer.taken == SIZE and body.over.is_set()
        assert body.complete, "all of it was sent"
        assert not writer.sender.cancelled(), "and the connection may live on"

    asyncio.run(main())
