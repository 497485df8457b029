"""Layer 3: blocking work (speech, mail) in threads: few at once, and not many that wait for their turn.

The threads are shared with everything else of the process that blocks (names of hosts, files): a mail server
that does not answer must not take them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """At most ``at_once`` pieces of work at a time, and at most ``most_waiting`` that wait."""

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._most = most_waiting
        self._waiting = 0

    @property
    def full(self) -> bool:
        """Whether so many wait that no more should."""
        return self._waiting >= self._most

    async def run(self, work: Callable[[], T]) -> T:
        """Do ``work`` in a thread, when it is its turn. Cancelled while it runs it runs to its end, and keeps
        its turn until then.
        """
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        done = asyncio.get_running_loop().run_in_executor(None, work)
        done.add_done_callback(self._over)
        return await asyncio.shield(done)

    def _over(self, done: asyncio.Future[T]) -> None:
        self._turns.release()
        if not done.cancelled():
            done.exception()  # whoever wanted it may be gone
