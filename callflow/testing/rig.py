"""Layer 6: an engine in a thread of its own, whose virtual time goes on only while a test waits for it.

A test's own thread (and its event loop, if it has one) never runs the engine: the same rig serves sync tests,
async tests under any runner, and a debugger that stands still in the middle of a call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLong
from typing import Any, TypeVar

from callflow.app import Engine, EngineOptions
from callflow.clock import VirtualClock, VirtualTimeLoop
from callflow.engine.report import CallReport
from callflow.testing.leaks import open_files

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours

T = TypeVar("T")

THREAD = "callflow-test-engine"
REAL_LIMIT_S = 60.0
"""So many seconds of real time a test waits at most for something to happen in virtual time."""
WALL = 1_767_225_600.0
"""2026-01-01 00:00 UTC: when every test's calls begin, since moments are in ids and documents."""


class Rig:
    """``start()`` before the first call, ``close()`` after the last one, both from the test's thread.

    ``wall``: seconds since 1970 at which virtual time begins.
    """

    def __init__(self, options: EngineOptions, *, wall: float = WALL) -> None:
        self.clock = VirtualClock(wall)
        self.engine = Engine(options, self.clock)
        self.options = options
        self.state = options.state
        self.faults: list[str] = []
        self.calls: list[asyncio.Task[CallReport]] = []
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name=THREAD, daemon=True)
        self._waits = 0
        self._turns = 0
        self._closing = False

    def start(self) -> None:
        """Start the engine; time stands still. Raises CallflowError if it cannot be started."""
        self._thread.start()
        self._started.result(REAL_LIMIT_S)

    def close(self) -> list[str]:
        """Hang up what still talks, finish, stop; gives what is left that should not be: its thread, tasks,
        open files, errors that nobody has seen.
        """
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._leave.set)
            self._thread.join(REAL_LIMIT_S)
        if self._thread.is_alive():
            return [*self.faults, "the engine does not end"]
        return [*self.faults, *open_files(self.state)]

    # ---- from the test's thread ----------------------------------------------------------------

    def do(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the engine's loop, once all is done that is to be done at this moment of virtual
        time; gives what it gives.
        """
        return self._result(self.submit(self._do(work)))

    def wait(self, work: Coroutine[Any, Any, T], limit_s: float = REAL_LIMIT_S) -> T:
        """Let time go on until ``work`` is done, for at most so many real seconds; gives its result."""
        return self._result(self.submit(self._timed(work, turns=0)), limit_s)

    async def wait_async(self, work: Coroutine[Any, Any, T]) -> T:
        """The same for a test on an event loop of its own. Time goes on once all its tasks wait: it stands
        still until those that are about to wait do so too, and, when one gets what it waited for, until that
        task has had its turn.
        """
        loop = asyncio.get_running_loop()
        try:
            self.loop.call_soon_threadsafe(self._turn_begins)
            waiting = self.submit(self._timed(work, turns=1))
            loop.call_soon(loop.call_soon, self._end_turn)
            return await asyncio.wrap_future(waiting)
        except AssertionError as failure:
            raise failure.with_traceback(None) from None
        finally:
            loop.call_soon(loop.call_soon, self._end_turn)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``work`` on the engine's loop. Raises EngineError if the engine does not run."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def _result(self, future: Future[T], limit_s: float = REAL_LIMIT_S) -> T:
        try:
            return future.result(limit_s)
        except AssertionError as failure:
            raise failure.with_traceback(None) from None
        except TooLong:
            if future.done():
                raise
            future.cancel()
            raise AssertionError(
                f"{limit_s:g} s of real time have gone by: the engine waits for something outside "
                f"(a server that does not answer); virtual time stands at {self.clock.now():.2f} s"
            ) from None

    def _end_turn(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._turn_over)

    # ---- on the engine's loop ------------------------------------------------------------------

    async def _timed(self, work: Awaitable[T], *, turns: int) -> T:
        self._move(waits=1)
        try:
            return await work
        finally:
            self._move(waits=-1, turns=turns)

    def _turn_begins(self) -> None:
        self._move(turns=1)

    def _turn_over(self) -> None:
        self._move(turns=-1)

    def _move(self, *, waits: int = 0, turns: int = 0, closing: bool = False) -> None:
        """Time goes on while somebody waits and nobody has the turn, and at the end."""
        self._closing = self._closing or closing
        self._waits += waits
        self._turns = max(0, self._turns + turns)
        self.clock.stand_still(not self._closing and (self._waits == 0 or self._turns > 0))

    async def _do(self, work: Callable[[], T]) -> T:
        await self.clock.settled()
        return work()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(self.clock)) as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(self._note)
            runner.run(self._live())

    async def _live(self) -> None:
        self._leave = asyncio.Event()
        try:
            async with self.engine:
                self._move()
                self._started.set_result(None)
                await self._leave.wait()
                self._move(closing=True)
                await self._hang_up()
        except BaseException as error:
            if self._started.done():
                self.faults.append(f"the engine did not close: {error!r}")
            else:
                self._started.set_exception(error)
            return
        mine = asyncio.current_task()
        await _breathe()
        left = [task for task in asyncio.all_tasks() if task is not mine]
        self.faults += [f"a task still runs: {task.get_coro()!r}" for task in left]

    async def _hang_up(self) -> None:
        """End the calls that are still up."""
        for call in self.calls:
            call.cancel()
        await asyncio.gather(*self.calls, return_exceptions=True)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.faults.append(f"{context.get('message')}" + (f": {error!r}" if error else ""))


async def _breathe() -> None:
    """Let callbacks of tasks that have just ended run."""
    loop = asyncio.get_running_loop()
    for _ in range(3):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
