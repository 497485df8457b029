"""``kill -9`` of the server, of its media processes, or of all, in a call in real time: what is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.delivery.receiver import Receiver
from tests.serve.accounts import account, record_to
from tests.serve.server import Server, begun, phone, plan, wait_until
from tests.serve.test_serve import TONE, children_of, loopback_deliveries

pytestmark = pytest.mark.crash

TALK_S = 1.7
LOST_S = 1.0
"""What the promise allows."""


class Scene:
    """A server with ``workers``, a receiver of its recordings, and calls that are cut short."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.state = folder / "state"
        self.words = (*loopback_deliveries(folder), "--workers", str(workers))
        self.talked: list[float] = []
        self.receiver = Receiver(folder / "received")

    async def serve(self, bind: str = "127.0.0.1:0") -> Server:
        return await Server.start(self.folder / "accounts", self.state, *self.words, bind=bind)

    async def cut(self, server: Server, victims: Sequence[int]) -> None:
        """A call, in the midst of which these processes are killed at once."""
        async with phone("desk") as desk:
            call = asyncio.ensure_future(desk.call(plan(server, "100", None, TONE)))
            while not begun(self.state):
                await asyncio.sleep(0.01)
                if call.done():  # 503: a new media process is not there yet
                    assert call.result().status == 503
                    await asyncio.sleep(0.1)
                    call = asyncio.ensure_future(desk.call(plan(server, "100", None, TONE)))
            began = time.monotonic()
            await asyncio.sleep(TALK_S)
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            self.talked.append(time.monotonic() - began)
            if server.process.pid not in victims:
                result = await call  # the phone is told that it is over
                assert (result.answered, result.ended_by) == (True, "party")
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    async def delivered(self) -> None:
        """All that was cut short has come, whole but for its last second, and nothing is left behind."""
        count = len(self.talked)
        await wait_until(lambda: len([one for one in self.receiver.received if one.file]) >= count, 20)
        await wait_until(lambda: not list((self.state / "spool").iterdir()))
        for one, talked in zip(self.receiver.received, self.talked, strict=True):
            assert one.digest_ok
            assert one.file is not None
            samples, rate = soundfile.read(one.file, dtype="int16", always_2d=True)
            seconds = len(samples) / rate
            assert talked - LOST_S <= seconds <= talked + LOST_S, (self.workers, seconds, talked)
            assert np.abs(samples[:, 0]).mean() > 1000, "the caller's tone"
            assert not np.any(samples[:, 1])

    async def run(self) -> None:
        url = await self.receiver.start()
        account(self.folder / "accounts" / "one", {"100": record_to(url)}, devices=("desk",))
        server = await self.serve()
        try:
            media = children_of(server.process.pid)
            assert len(media) == self.workers
            if self.workers == 2:  # one dies, or both, and the server goes on
                await self.cut(server, media)
                await self.delivered()
                await wait_until(lambda: len(children_of(server.process.pid)) == 2)
                assert len(server.having("call.end ")) == 1
                media = children_of(server.process.pid)
            await self.cut(server, [server.process.pid, *(media if self.workers == 2 else ())])
            await server.ended()
            server = await self.serve(server.at)
            await self.delivered()
            assert "reason=recovered" in await server.until("recording.ready")
            async with phone("desk") as desk:
                again = await desk.call(plan(server, "100", 0.8, TONE))
            self.talked.append(again.seconds)
            await self.delivered()
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
        finally:
            await server.close()
            await self.receiver.close()


def test_a_second_is_lost_at_most_whoever_is_killed(tmp_path: Path) -> None:
    async def main() -> None:
        await asyncio.gather(*(Scene(tmp_path / str(workers), workers).run() for workers in (0, 1, 2)))

    asyncio.run(main())
