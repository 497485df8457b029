"""Layer 6: work that takes a processor for long: one after the other, and not too many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from callflow.errors import ApiError

T = TypeVar("T")
MOST_WAITING = 16


class Turns:
    """Runs one piece of work at a time, in a thread: calls shall not notice."""

    def __init__(self, what: str, most_waiting: int = MOST_WAITING) -> None:
        self._what = what
        self._most = most_waiting
        self._one = asyncio.Semaphore(1)
        self._waiting = 0

    async def do(self, work: Callable[[], T]) -> T:
        """What ``work`` gives, when it is its turn. Raises ApiError 503 while too many wait. A client that
        leaves does not end what has begun: its turn lasts until it is over.
        """
        if self._waiting >= self._most:
            raise ApiError(503, f"too many {self._what} wait already", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            await self._one.acquire()
        finally:
            self._waiting -= 1
        running = asyncio.ensure_future(asyncio.to_thread(work))
        running.add_done_callback(self._over)
        return await asyncio.shield(running)

    def _over(self, running: asyncio.Future[T]) -> None:
        self._one.release()
        if not running.cancelled():
            running.exception()  # who asked has it, or is gone
