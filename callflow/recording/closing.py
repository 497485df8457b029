"""Layer 2: what happens between a recording's last sample and its ``READY``: finishing, in threads, in order.

Encoding and fsync take real time. On a virtual clock, time stands still from the moment a recording ends
until it is finished, and results are told in the order in which recordings ended, so that a run repeats
exactly however the threads race. In real time each is told as soon as it is finished.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from callflow.clock import Clock
from callflow.log import logger
from callflow.recording.finish import Finished, Finisher
from callflow.recording.messages import RecordingEvent, SpoolClosed
from callflow.state.folder import safe_name

# A virtual clock moves only when no task has anything left to do, so this wait lets all of them come first.
_SETTLE_S = 0.001

ENDINGS = frozenset({"finishing", "cancelled", "failed"})
"""The changes of a recording after which its spool is closed."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """``heard``: its recorder has said so. (A thread may be quicker than the tick that brings the event.)"""

    id: str
    finished: asyncio.Future[Finished]
    told: asyncio.Future[None]
    heard: asyncio.Event


class ClosingDesk:
    """Takes recordings that have ended, has them finished, and tells ``publish`` on the loop.

    ``on_event`` (on the loop) hears the recorders, ``on_closed`` (from the writer's thread) the spool writer.
    """

    def __init__(self, finisher: Finisher, clock: Clock, publish: Callable[[Finished], None]) -> None:
        self.finisher = finisher
        self._clock = clock
        self._publish = publish
        self._threads = ThreadPoolExecutor(
            max_workers=os.cpu_count() or 1, thread_name_prefix="callflow-finish"
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: dict[str, _Ending] = {}
        self._spools: set[str] = set()  # names of those that are recorded here, or not finished yet
        self._order: asyncio.Queue[_Ending] = asyncio.Queue()
        self._teller: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._teller = self._loop.create_task(self._tell_in_order())

    def on_event(self, event: object) -> None:
        """A media event: an ending is noted, and time held."""
        if not isinstance(event, RecordingEvent):
            return
        if event.change == "started" and not self._clock.virtual:
            self.finisher.ahead.begin(event.id)
        if event.change not in ENDINGS:
            self._spools.add(safe_name(event.id))
            return
        if event.change == "failed" and event.id not in self._known:
            return  # it ended before and was told; a spool is closed before its failure is told
        self._note(event.id).heard.set()

    def owns(self, spool: str) -> bool:
        """Whether the spool of that name will be finished here: recovery leaves it alone. From any thread."""
        return spool in self._spools

    async def settled(self, recording_ids: Iterable[str]) -> None:
        """Wait until of these recordings each that has ended is finished, and was told."""
        for recording_id in recording_ids:
            ending = self._known.get(recording_id)
            if ending is not None:
                await ending.told

    def on_closed(self, closed: SpoolClosed) -> None:
        """A spool is complete on disk: finish it. From any thread."""
        work = self._threads.submit(self.finisher.finish, closed)
        assert self._loop is not None, "start() comes first"
        self._loop.call_soon_threadsafe(self._under_way, closed.id, work)

    async def close(self) -> None:
        """Wait for everything that has ended; then no more."""
        await self._order.join()
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.gather(self._teller, return_exceptions=True)
        self._threads.shutdown()
        self.finisher.ahead.close()

    # ---- inside ----

    def _note(self, recording_id: str) -> _Ending:
        known = self._known.get(recording_id)
        if known is None:
            loop = asyncio.get_running_loop()
            hold = self._clock.external()
            hold.__enter__()
            known = _Ending(recording_id, loop.create_future(), loop.create_future(), asyncio.Event())
            known.finished.add_done_callback(lambda _: hold.__exit__(None, None, None))
            self._known[recording_id] = known
            self._order.put_nowait(known)
        return known

    def _under_way(self, recording_id: str, work: Future[Finished]) -> None:
        ending = self._note(recording_id)
        asyncio.wrap_future(work).add_done_callback(
            lambda done: _pass_on(recording_id, done, ending.finished)
        )

    async def _tell_in_order(self) -> None:
        live: set[asyncio.Task[None]] = set()
        while True:
            ending = await self._order.get()
            if self._clock.virtual:
                await self._tell(ending)
                continue
            task = asyncio.ensure_future(self._tell(ending))  # nobody waits for an hour that is encoded
            live.add(task)
            task.add_done_callback(live.discard)

    async def _tell(self, ending: _Ending) -> None:
        finished = await ending.finished
        await ending.heard.wait()
        if self._clock.virtual:
            await self._clock.sleep(_SETTLE_S)
        del self._known[ending.id]
        self._spools.discard(safe_name(ending.id))
        try:
            self._publish(finished)
        except Exception as error:  # whoever waits for this recording must hear of it
            ending.told.set_exception(error)
        else:
            ending.told.set_result(None)
        self._order.task_done()


def _pass_on(recording_id: str, done: asyncio.Future[Finished], to: asyncio.Future[Finished]) -> None:
    if to.done():
        return
    error = done.exception()
    if error is not None:  # a fault of ours: the spool is still there, and recovery tries again
        logger.error("finishing %s failed", recording_id, exc_info=error)
        to.set_result(_failed(recording_id, error))
    else:
        to.set_result(done.result())


def _failed(recording_id: str, error: BaseException) -> Finished:
    return Finished(
        id=recording_id,
        call_id="",
        change="failed",
        state="FAILED",
        reason="finishing",
        seconds=0.0,
        samples=0,
        recovered=False,
        origin="",
        format="",
        message=f"{type(error).__name__}: {error}",
    )
