"""Virtual time: it jumps when all wait, holds while the outside is awaited, and ends each wait on time."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future

import pytest

from callflow.clock import OutsideLoop, SystemClock, VirtualClock, iso, month, run_virtual


def test_an_hour_passes_in_a_moment() -> None:
    clock = VirtualClock(wall_start=1_000_000.0)

    async def main() -> tuple[float, float]:
        await clock.sleep(3600)
        return clock.now(), clock.wall()

    began = time.monotonic()
    assert run_virtual(main(), clock) == (3600.0, 1_003_600.0)
    assert time.monotonic() - began < 5


def test_waits_end_in_order_and_on_time() -> None:
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []

    async def one(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, round(clock.now(), 9)))

    async def main() -> None:
        await asyncio.gather(one("c", 3.5), one("a", 0.25), one("b", 2))

    run_virtual(main(), clock)
    assert seen == [("a", 0.25), ("b", 2.0), ("c", 3.5)]


def test_media_may_stop_the_jump_short() -> None:
    clock = VirtualClock()
    asked: list[float] = []
    woken = asyncio.Event()

    def advance(until: float) -> float:
        asked.append(until)
        if until > 1.25:
            asyncio.get_running_loop().call_soon(woken.set)
            return 1.25
        return until

    async def main() -> float:
        clock.drive(advance)
        async with asyncio.timeout(10):
            await woken.wait()
        clock.drive(None)
        return clock.now()

    assert run_virtual(main(), clock) == 1.25
    assert asked == [10.0]


def test_the_clock_holds_while_the_outside_is_awaited() -> None:
    clock = VirtualClock()
    outside = OutsideLoop()
    release = threading.Timer(0.05, lambda: None)
    release.start()

    async def slow() -> str:
        await asyncio.sleep(0.05)
        return "answer"

    async def main() -> tuple[str, float, float]:
        ticking = asyncio.create_task(clock.sleep(60))
        answer = await outside.run(slow(), clock)
        during = clock.now()
        await ticking
        return answer, during, clock.now()

    try:
        assert run_virtual(main(), clock) == ("answer", 0.0, 60.0)
    finally:
        release.join()
        outside.close()


def test_a_thread_can_wake_a_loop_that_waits_for_nothing_else() -> None:
    clock = VirtualClock()

    async def main() -> int:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        threading.Timer(0.02, lambda: loop.call_soon_threadsafe(future.set_result, 7)).start()
        return await future

    assert run_virtual(main(), clock) == 7


def test_the_system_clock_goes_on_by_itself() -> None:
    clock = SystemClock()

    async def main() -> float:
        before = clock.now()
        with clock.external():
            await clock.sleep(0.01)
        return clock.now() - before

    assert 0.009 <= asyncio.run(main()) < 1.0
    assert abs(clock.wall() - time.time()) < 1.0


def test_stamps() -> None:
    assert iso(1_795_219_200.1234) == "2026-11-21T00:00:00.123Z"
    assert month(1_795_219_199.0) == "202611"


def test_tasks_that_wait_for_threads_go_on_in_the_order_of_their_waits() -> None:
    clock = VirtualClock()
    order: list[str] = []

    async def main() -> float:
        works = {name: Future[str]() for name in "abc"}

        async def wait(name: str) -> None:
            order.append(await clock.outside(works[name]))

        tasks = [asyncio.create_task(wait(name)) for name in "abc"]
        await asyncio.sleep(0)
        for name in ("c", "a", "b"):
            threading.Timer(0.02 * (1 + "cab".index(name)), works[name].set_result, (name,)).start()
        await asyncio.gather(*tasks)
        return clock.now()

    assert run_virtual(main(), clock) == 0.0
    assert order == ["a", "b", "c"]


def test_a_wait_for_a_thread_can_be_cancelled_and_raises_what_the_thread_raised() -> None:
    clock = VirtualClock()

    async def main() -> None:
        never: Future[None] = Future()
        waiting = asyncio.create_task(clock.outside(never))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not clock.held
        broken: Future[None] = Future()
        broken.set_exception(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await clock.outside(broken)
        assert not clock.held
        await clock.sleep(1)

    run_virtual(main(), clock)
