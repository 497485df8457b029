"""Layer 2: the pump and its recorders in the caller's thread: what pretend calls, tests and demos use.

With a virtual clock, time moves only here: whenever the loop has nothing to do, the clock lets the pump run
one block (``VirtualClock.drive``). With the machine's clock a task runs it every tick.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Sequence
from typing import Protocol

from callflow.clock import Clock, VirtualClock
from callflow.errors import MediaError
from callflow.log import logger
from callflow.media.handlers import Handlers
from callflow.media.messages import AddLeg, LegCommand, RemoveLeg
from callflow.media.port import MediaHandler
from callflow.media.pump import BLOCK_S, TICK_S, Pump
from callflow.media.rtp.ports import PortPool
from callflow.recording.messages import RecordingCommand, RecordingEvent


class Recorders(Protocol):
    """What is needed of ``callflow.recording.host.RecordingHost``."""

    @property
    def busy(self) -> bool: ...

    def command(self, command: RecordingCommand) -> Sequence[RecordingEvent]: ...

    def settle(self) -> Sequence[RecordingEvent]: ...

    def end_all(self, reason: str) -> Sequence[RecordingEvent]: ...


class InlineMedia:
    """A ``MediaPort`` around one pump.

    ``pickled``: every command and event goes through ``pickle``, as it would to a media process; tests turn
    it on. ``start()`` before the first call, ``close()`` after the last, both on the loop of the calls.
    ``ports``: those of a ``LivePump``, for legs on the network; closed with the media.
    """

    def __init__(
        self,
        pump: Pump,
        host: Recorders,
        clock: Clock,
        *,
        pickled: bool = False,
        ports: PortPool | None = None,
    ) -> None:
        self.ports = ports
        self._pump = pump
        self._host = host
        self._clock = clock
        self._pickled = pickled
        self._handlers = Handlers()
        self._legs: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._fault = ""
        self.ticks = self.late_ticks = 0
        """Ticks with legs, and those among them that began a tick or more after their time (live time)."""

    def start(self) -> None:
        """Let media run on the running loop."""
        self._loop = asyncio.get_running_loop()
        if not isinstance(self._clock, VirtualClock):
            self._ticker = self._loop.create_task(self._tick())

    async def end_recordings(self) -> None:
        """End what is still being recorded (reason ``shutdown``), and wait until it is on disk and told."""
        self._tell(self._host.end_all("shutdown"))
        while self._host.busy:
            await self._clock.sleep(TICK_S)
            self._tell(self._host.settle())
        await self._clock.sleep(0)

    async def close(self) -> None:
        """Stop the media; legs that are still there fall silent."""
        if isinstance(self._clock, VirtualClock):
            self._clock.drive(None)
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._pump.close()
        if self.ports is not None:
            self.ports.close()

    # ---- MediaPort ----

    def send(self, command: object) -> None:
        command = self._through_pickle(command)
        if (
            self._ticker is not None and self._legs
        ):  # the loop may have stood still: what was said comes first
            self._guarded(self._catch_up)
        try:
            events = self._carry_out(command)
        except MediaError as error:
            logger.error("media refused %s: %s", type(command).__name__, error)
            return
        self._tell(events)

    def subscribe(self, handler: MediaHandler, *, leg: str | None = None) -> Callable[[], None]:
        return self._handlers.add(handler, leg)

    # ---- inside ----

    def _carry_out(self, command: object) -> Sequence[object]:
        if isinstance(command, RecordingCommand):
            return self._host.command(command)
        assert isinstance(command, LegCommand), command
        if isinstance(command, AddLeg):
            self._leg_added(command.leg)
        if isinstance(command, RemoveLeg):
            return [*self._pump.command(command), *self._leg_removed(command.leg)]
        return self._pump.command(command)

    def _leg_added(self, leg: str) -> None:
        if not self._legs:
            self._catch_up()
            if isinstance(self._clock, VirtualClock):
                self._clock.drive(self._advance)
        self._legs.add(leg)

    def _leg_removed(self, leg: str) -> Sequence[object]:
        # Without legs nothing sounds: time may jump from timer to timer, and stand still without one.
        self._legs.discard(leg)
        if not self._legs and isinstance(self._clock, VirtualClock):
            self._clock.drive(None)
        return self._host.settle()

    def _advance(self, until: float) -> float:
        """One block of sound; the clock moves as far as that got."""
        block_s = until - self._pump.now if self._pump.idle else BLOCK_S
        reached, events = self._pump.advance(until, block_s)
        self._tell([*events, *self._host.settle()])
        return reached

    def _catch_up(self) -> None:
        """Bring the pump to within a tick of the clock."""
        now = self._clock.now()
        while now - self._pump.now >= TICK_S:
            before = self._pump.now
            if self._legs and self._ticker is not None:
                self.ticks += 1
                self.late_ticks += now - before >= 2 * TICK_S
            self._advance(now)
            if self._pump.now == before:
                return

    async def _tick(self) -> None:
        due = self._clock.now()
        while True:
            self._guarded(self._catch_up)
            if self.ports is not None:
                self._guarded(self.ports.refill)
            due = max(due + TICK_S, self._clock.now() - 1.0)  # after a long stall: no burst of old ticks
            await self._clock.sleep(max(0.0, due - self._clock.now()))

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # time must go on for the calls, whatever one of them has caused
            if self._fault != repr(error):  # not a hundred times a second
                self._fault = repr(error)
                logger.exception("a fault in the media")

    def _tell(self, events: Sequence[object]) -> None:
        if events:
            assert self._loop is not None, "start() comes first"
            self._loop.call_soon(self._dispatch, tuple(events))

    def _dispatch(self, events: tuple[object, ...]) -> None:
        for event in events:
            self._handlers.tell(self._through_pickle(event))

    def _through_pickle(self, value: object) -> object:
        return pickle.loads(pickle.dumps(value)) if self._pickled else value
