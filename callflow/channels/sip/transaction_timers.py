"""Layer 2: timers by the thousand. Transactions wait for a few fixed times (those of RFC 3261), often in
vain: a queue for each of these times needs one timer of the event loop, and cancelling costs nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Wait:
    """One timer that runs; ``cancel`` may be called at any time."""

    __slots__ = ("_arg", "_call", "deadline")

    def __init__(self, deadline: float, call: Callable[[Any], None], arg: object) -> None:
        self.deadline = deadline
        self._call: Callable[[Any], None] | None = call
        self._arg = arg

    @property
    def cancelled(self) -> bool:
        return self._call is None

    def cancel(self) -> None:
        self._call = self._arg = None

    def run_out(self) -> None:
        call, arg = self._call, self._arg
        self.cancel()
        if call is not None:
            call(arg)


class Timers:
    """Timers of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[float, deque[Wait]] = {}
        self._handles: dict[float, asyncio.TimerHandle] = {}

    def later(self, seconds: float, call: Callable[[Any], None], arg: object) -> Wait:
        """``call(arg)`` in so many seconds."""
        wait = Wait(self._loop.time() + seconds, call, arg)
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = deque()
        queue.append(wait)
        if seconds not in self._handles:
            self._handles[seconds] = self._loop.call_at(wait.deadline, self._due, seconds)
        return wait

    def _due(self, seconds: float) -> None:
        """The first of a queue ran out, or would have."""
        queue = self._queues[seconds]
        now = self._loop.time()
        del self._handles[seconds]
        try:
            while queue and (queue[0].cancelled or queue[0].deadline <= now):
                queue.popleft().run_out()
        finally:
            if queue and seconds not in self._handles:
                self._handles[seconds] = self._loop.call_at(queue[0].deadline, self._due, seconds)

    def close(self) -> None:
        """None runs any more."""
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()
        for queue in self._queues.values():
            queue.clear()
