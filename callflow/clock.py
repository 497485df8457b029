"""Layer 0: time as an argument. The only file that may ask the machine what time it is.

Two clocks, one protocol. ``SystemClock`` is the machine's. ``VirtualClock`` belongs to a
``VirtualTimeLoop``, a stock asyncio loop whose selector *jumps*: when every task waits for time or
media, it lets the media advance by one block and moves the clock there at once. While something
outside is awaited (HTTP, a thread), ``clock.external()`` holds the clock still.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar, cast

T = TypeVar("T")

Advancer = Callable[[float], float]
"""``advance(until) -> reached``: let media run to at most ``until`` (seconds) and say how far it got."""


class Clock(Protocol):
    """What time it is, and how to wait."""

    @property
    def virtual(self) -> bool:
        """True where time jumps: nothing real may be awaited without ``external()``."""

    def now(self) -> float:
        """Seconds since the clock's start; never goes back. The time base of calls and media."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC; what goes into documents and schedules."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    @contextmanager
    def external(self) -> Iterator[None]:
        """Hold virtual time still while the outside world is awaited."""

    async def outside(self, work: Future[T]) -> T:
        """Wait for work of another thread, with virtual time held still. See ``VirtualClock.outside``."""


class SystemClock:
    """The machine's clock. ``origin``: its monotonic seconds at engine time 0, the same for all processes of
    this machine; now, if not given.
    """

    virtual = False

    def __init__(self, origin: float | None = None) -> None:
        self.origin = time.monotonic() if origin is None else origin

    def now(self) -> float:
        return time.monotonic() - self.origin

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @contextmanager
    def external(self) -> Iterator[None]:
        yield

    async def outside(self, work: Future[T]) -> T:
        return await asyncio.wrap_future(work)


@dataclass(eq=False, slots=True)
class _Awaited:
    """Work of another thread, and the turn of the task that waits for it."""

    work: asyncio.Future[Any]
    turn: asyncio.Future[None]


class VirtualClock:
    """A clock that moves only when its loop has nothing else to do.

    ``wall_start`` (seconds since 1970) is what ``wall()`` says at 0; the machine's time if not given.
    """

    virtual = True

    def __init__(self, wall_start: float | None = None) -> None:
        self._now = 0.0
        self._wall_start = time.time() if wall_start is None else wall_start
        self._held = 0
        self._stands = False
        self._advancer: Advancer | None = None
        self._awaited: list[_Awaited] = []
        self._settling: list[asyncio.Future[None]] = []

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall_start + self._now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @property
    def held(self) -> bool:
        """True while ``external()`` is entered, or time stands still."""
        return self._held > 0 or self._stands

    def stand_still(self, stands: bool) -> None:
        """Let time stand still until it is told to go on: what is due at this moment is still done."""
        self._stands = stands

    async def settled(self) -> None:
        """Wait until all that is to be done at this moment is done: nobody has anything left to do, and
        nobody waits for the outside.
        """
        moment: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append(moment)
        await moment

    def wake_settled(self) -> bool:
        """Nobody has anything to do: let those go on who wait for that, if nothing outside is awaited."""
        if not self._settling or self._held or self._awaited:
            return False
        for moment in self._settling:
            if not moment.done():
                moment.set_result(None)
        self._settling.clear()
        return True

    @contextmanager
    def external(self) -> Iterator[None]:
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    async def outside(self, work: Future[T]) -> T:
        """Wait for ``work``. Tasks that wait at the same moment go on together, in the order in which they
        began to wait, once the last of their works is done and nobody has anything else to do: whichever
        thread was faster, a run repeats exactly.
        """
        awaited = _Awaited(asyncio.wrap_future(work), asyncio.get_running_loop().create_future())
        self._awaited.append(awaited)
        try:
            with self.external():
                await awaited.turn
        except asyncio.CancelledError:
            if awaited in self._awaited:
                self._awaited.remove(awaited)
            if not awaited.work.cancel() and not awaited.work.cancelled():
                awaited.work.exception()  # nobody will ask for it
            raise
        return cast("T", awaited.work.result())

    def give_turns(self) -> bool:
        """Nobody has anything to do: let those go on who wait for the outside, if all of it is done."""
        if not self._awaited or not all(awaited.work.done() for awaited in self._awaited):
            return False
        for awaited in self._awaited:
            awaited.turn.set_result(None)
        self._awaited.clear()
        return True

    def drive(self, advancer: Advancer | None) -> None:
        """Let ``advancer`` run the media whenever time moves (``None``: no media)."""
        self._advancer = advancer

    def jump(self, until: float) -> None:
        """Move to ``until``, or less far if the media has something to say before that."""
        reached = until if self._advancer is None else self._advancer(until)
        self._now = max(self._now, min(reached, until))


class _JumpingSelector(selectors.BaseSelector):
    """A selector that moves the virtual clock instead of waiting."""

    # With no timer at all the loop would wait for ever; media may still bring something.
    HORIZON_S = 3600.0

    def __init__(self, real: selectors.BaseSelector, clock: VirtualClock) -> None:
        self._real = real
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._clock.give_turns() or self._clock.wake_settled():
            return ready
        if self._clock.held or (timeout is None and self._clock._advancer is None):
            return self._real.select(None)
        before = self._clock.now()
        self._clock.jump(before + (self.HORIZON_S if timeout is None else timeout))
        if timeout is None and self._clock.now() == before:
            return self._real.select(None)  # no media runs either: only the outside world can wake us
        return self._real.select(0)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose ``time()`` is a ``VirtualClock``."""

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual_clock = clock
        super().__init__(_JumpingSelector(selectors.DefaultSelector(), clock))

    def time(self) -> float:
        return self._virtual_clock.now()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads themselves: a timeout of virtual time would be over at once."""
        with self._virtual_clock.external():
            await super().shutdown_default_executor()


def run_virtual(main: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run ``main`` to its end on a loop of virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(clock)) as runner:
        return runner.run(main)


GREGORIAN_OFFSET_S = 62_167_219_200
"""Seconds from year 0 to 1970: Kazoo's documents count from there."""


def iso(wall: float) -> str:
    """``2026-11-20T10:00:00.000Z`` for seconds since 1970."""
    stamp = datetime.fromtimestamp(wall, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def month(wall: float) -> str:
    """``202611`` for seconds since 1970: the month of a document id and of a store folder."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y%m")


def monotonic() -> float:
    """The machine's monotonic seconds: for what is about the machine (fsync intervals, attempt durations)."""
    return time.monotonic()


class OutsideLoop:
    """An asyncio loop of real time in a thread of its own: HTTP and deliveries live there, so that they go
    on (and time out) while virtual time stands still or flies. Made on a loop of real time, it is of the same
    kind (uvloop's in a server). Both are made when there is work for them: most pretend calls have none.
    """

    def __init__(self) -> None:
        self._make = _kind_like_ours()
        self._making = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def used(self) -> bool:
        """Whether anything was ever submitted."""
        return self._loop is not None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``work`` there; from any thread. Raises RuntimeError when it is closed."""
        with self._making:
            if self._closed:
                work.close()
                raise RuntimeError("the outside loop is closed")
            if self._loop is None:
                self._loop = self._make()
                self._thread = threading.Thread(
                    target=self._main, args=(self._loop,), name="callflow-outside", daemon=True
                )
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @staticmethod
    def _main(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    async def run(self, work: Coroutine[Any, Any, T], clock: Clock) -> T:
        """Run ``work`` there and wait for it here, with ``clock`` held still."""
        return await clock.outside(self.submit(work))

    def close(self) -> None:
        """Cancel what still runs there and end the thread."""
        with self._making:
            closed, self._closed = self._closed, True
        if closed or self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _cancel_all(self) -> None:
        me = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not me]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        loop = asyncio.get_running_loop()
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()


def _kind_like_ours() -> Callable[[], asyncio.AbstractEventLoop]:
    running = asyncio._get_running_loop()
    if running is None or isinstance(running, VirtualTimeLoop):
        return asyncio.new_event_loop
    return type(running)
