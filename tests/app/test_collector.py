"""A process that serves for long does not keep what its calls have left behind."""

from __future__ import annotations

import asyncio
import gc
import weakref

from callflow.app import COLLECT_EVERY_S, collect_regularly
from callflow.clock import VirtualClock, run_virtual


class Circle:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.me = self


def test_circles_are_found_while_the_collector_itself_is_calm() -> None:
    clock = VirtualClock()

    async def main() -> None:
        collecting = asyncio.create_task(collect_regularly(clock))
        for _ in range(2):
            left = weakref.ref(Circle())
            assert left() is not None, "nobody has looked yet"
            await clock.sleep(COLLECT_EVERY_S + 1)
            assert left() is None
        collecting.cancel()

    gc.disable()
    try:
        run_virtual(main(), clock)
    finally:
        gc.enable()
