"""Layer 2: what all legs of one pretend call share: the media, the clock, and the end that comes by itself.

A pretend call must not run for ever. It is ended after ``max_duration_s``, and (if the scenario asks
for it) once a callee has answered and nobody has anything left to say or do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Protocol

from callflow.channels.channel import Direction, Ended
from callflow.channels.sim.scenario import TransferTo
from callflow.clock import Clock
from callflow.media.messages import RtpLost, SayDone
from callflow.media.port import MediaPort

Notice = Callable[[str, str, str, str], None]
"""``notice(level, code, message, hint)``: something the author of the call should know."""


Consult = Callable[[str, str, int], str]
"""``consult(from_number, to_number, rate) -> call id``: a party makes a second call of its own, on which it
talks with the one it transfers to; the engine takes it as any other call.
"""


class OnStage(Protocol):
    """A pretend leg, as its stage sees it."""

    @property
    def leg(self) -> str: ...

    @property
    def direction(self) -> Direction: ...

    @property
    def answered(self) -> bool: ...

    @property
    def ended(self) -> Ended | None: ...

    @property
    def idle(self) -> bool: ...

    def said_all(self) -> None: ...

    def end(self, ended: Ended) -> None: ...

    async def wait_tasks(self) -> None: ...


class Stage:
    """The legs of one pretend call."""

    def __init__(
        self,
        media: MediaPort,
        clock: Clock,
        *,
        notice: Notice,
        consult: Consult,
        max_duration_s: float,
        end_when_quiet_s: float | None,
    ) -> None:
        self.media = media
        self.clock = clock
        self.consult = consult
        self._notice = notice
        self._max_duration_s = max_duration_s
        self._quiet_s = end_when_quiet_s
        self._legs: dict[str, OnStage] = {}
        self._transfers: set[TransferTo] = set()
        self._timers: set[asyncio.Task[None]] = set()
        self._quiet: asyncio.Task[None] | None = None
        self._unsubscribe: list[Callable[[], None]] = []

    def add(self, leg: OnStage) -> None:
        """A leg enters; the first one starts the call's longest duration."""
        if not self._legs:
            self._timer(self._end_after_max())
        self._legs[leg.leg] = leg
        self._unsubscribe.append(self.media.subscribe(self._on_media, leg=leg.leg))
        self.changed()

    def first_time(self, action: TransferTo) -> bool:
        """Whether nobody on this call has made this transfer yet. Its target plays the same callee's part
        unless the scenario says otherwise, and must not transfer to itself for ever.
        """
        if action in self._transfers:
            return False
        self._transfers.add(action)
        return True

    def changed(self) -> None:
        """Something is different: look whether the call has gone quiet."""
        if self._quiet_s is None:
            return
        if not self._is_quiet():
            if self._quiet is not None:
                self._quiet.cancel()
                self._quiet = None
        elif self._quiet is None:
            self._quiet = self._timer(self._end_when_quiet(self._quiet_s))

    async def close(self) -> None:
        """End every leg that is still there, and every timer."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for leg in tuple(self._legs.values()):
            leg.end(Ended("NORMAL_CLEARING"))
            await leg.wait_tasks()
        for timer in tuple(self._timers):
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)

    # ---- inside ----

    def _is_quiet(self) -> bool:
        live = [leg for leg in self._legs.values() if leg.ended is None]
        talked_to = any(leg.direction is Direction.OUTBOUND and leg.answered for leg in live)
        return talked_to and all(leg.idle for leg in live)

    async def _end_when_quiet(self, after_s: float) -> None:
        await self.clock.sleep(after_s)
        self._quiet = None
        if self._is_quiet():
            self._notice(
                "info",
                "CF-RUN-QUIET",
                f"nobody has had anything to say or do for {after_s:g} s: the pretend caller hangs up",
                "Say when it ends: --hangup-after, or hangup_after or end_when_quiet_s in the scenario.",
            )
            self._caller_leaves()

    async def _end_after_max(self) -> None:
        await self.clock.sleep(self._max_duration_s)
        self._notice(
            "warning",
            "CF-RUN-MAX-DURATION",
            f"nobody ended the call for {self._max_duration_s:g} s: the pretend caller hangs up",
            "Say when it ends: --hangup-after, or hangup_after or max_duration_s in the scenario.",
        )
        self._caller_leaves()

    def _caller_leaves(self) -> None:
        for leg in tuple(self._legs.values()):
            if leg.direction is Direction.INBOUND:
                leg.end(Ended("NORMAL_CLEARING", 200))

    def _on_media(self, event: object) -> None:
        if isinstance(event, SayDone) and event.leg in self._legs:
            self._legs[event.leg].said_all()
        elif isinstance(event, RtpLost) and event.leg in self._legs:  # its media process has died
            self._legs[event.leg].end(Ended("MEDIA_TIMEOUT"))

    def _timer(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)
        return task
