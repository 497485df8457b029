"""Layer 5: notices that files have changed, and waits until whoever writes them is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from callflow.clock import Clock, monotonic
from callflow.documents.catalog import Prints, fingerprint
from callflow.log import logger

SHARE = 20
"""Looking takes at most one part in so many of the time."""


class Watcher:
    """Looks at the files below ``folders`` every ``poll_s`` seconds, in a thread. When something is different
    and has stayed so from one look to the next, ``changed`` is awaited.
    """

    def __init__(
        self, folders: Sequence[Path], clock: Clock, poll_s: float, changed: Callable[[], Awaitable[object]]
    ) -> None:
        self._folders = tuple(folders)
        self._clock = clock
        self._poll_s = poll_s
        self._changed = changed
        self._known: Prints = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, known: Prints | None = None) -> None:
        """Begin. ``known``: how the files looked when they were read (None: as they look now)."""
        self._known = await self.look() if known is None else known
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> Prints:
        """How the files look now."""
        return await asyncio.to_thread(fingerprint, self._folders)

    def read(self, prints: Prints) -> None:
        """What looked like ``prints`` has been read: it is no news any more."""
        self._known = prints

    async def _run(self) -> None:
        last = self._known
        wait_s = self._poll_s
        while True:
            await self._clock.sleep(wait_s)
            began = monotonic()
            now = await self.look()
            wait_s = max(self._poll_s, SHARE * (monotonic() - began))
            if now != self._known and now == last:
                self._known = now
                try:
                    await self._changed()
                except Exception:  # a fault of ours: the next change is still seen
                    logger.exception("changed files could not be taken over")
            last = now
