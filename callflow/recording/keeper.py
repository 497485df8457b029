"""Layer 2: house-keeping of a state folder from time to time, on the engine's clock."""

from __future__ import annotations

import asyncio

from callflow.clock import Clock
from callflow.errors import CallflowError
from callflow.log import logger
from callflow.recording.expiry import Tidied, doubt, tidy
from callflow.state.database import Database
from callflow.state.folder import StateFolder

EVERY_S = 3600.0
LEAP_S = 600.0
"""The machine's clock has moved by more than this since the last round: nothing has had its time until it has
stayed so for a round. (A machine that slept, or whose clock was wrong at its start and is right now.)
"""
QUOTA_S = 60.0
"""So often after something was finished, at most."""


class Keeper:
    """Tidies ``folder`` (``recording/expiry.py``) every hour, and sooner once recordings were finished."""

    def __init__(self, folder: StateFolder, database: Database, clock: Clock) -> None:
        self._folder = folder
        self._database = database
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()
        self._full: tuple[str, ...] = ()
        self._began: float | None = None

    def start(self, every_s: float = EVERY_S) -> None:
        """From now on, on the running loop; the first round is at once."""
        self._task = asyncio.get_running_loop().create_task(self._run(every_s))

    async def stop(self) -> None:
        """No more; a round that is under way is brought to its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def grown(self) -> None:
        """A file was added: there may be too many now."""
        self._grown.set()

    async def round(self) -> Tidied:
        """Tidy now. Raises StorageError."""
        wall = self._clock.wall()
        began, self._began = self._began, wall - self._clock.now()
        leapt = began is not None and self._began - began > LEAP_S
        if leapt:
            logger.warning("the clock was put forward: recordings whose time is over are erased in a while")
        if began is None:  # there is no round before to compare it with, but what that process has left
            why = await self._database.arun(lambda conn: doubt(conn, wall))
            leapt = bool(why)
            if why:
                logger.warning(
                    "%s: recordings whose time is over are erased in a while, if that stays so", why
                )
        with self._clock.external():
            working = asyncio.ensure_future(
                asyncio.to_thread(tidy, self._folder, self._database, wall, expire=not leapt)
            )
            try:
                done = await asyncio.shield(working)
            except asyncio.CancelledError:
                await asyncio.gather(working, return_exceptions=True)  # the database is still open
                raise
        for words in done.full:
            if words not in self._full:
                logger.warning("%s", words)
        self._full = done.full
        if done.erased:
            logger.info("%d recordings were erased", len(done.erased))
        return done

    async def _run(self, every_s: float) -> None:
        while True:
            self._grown.clear()
            try:
                await self.round()
            except (CallflowError, OSError) as error:
                logger.warning("recordings are not tidied now: %s", error)
            await self._wait(every_s)

    async def _wait(self, every_s: float) -> None:
        """Until the next hour; or a minute, once a recording has been finished."""
        grown = asyncio.ensure_future(self._grown.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(every_s))
        try:
            await asyncio.wait((grown, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            grown.cancel()
            sleeping.cancel()
        if self._grown.is_set():
            await self._clock.sleep(min(QUOTA_S, every_s))
