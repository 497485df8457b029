"""Layer 3: legs as the engine holds them, and the caller's line.

A ``Leg`` is a channel whose events somebody reads. The ``Line`` is the leg whose call this is: it knows
whether the caller is still there, and every wait of the call ends when that changes. After a blind
transfer by the caller, the party that remains sits on the line (``reseat``); the call id stays.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from callflow.channels.channel import (
    CAUSE_CODES,
    Channel,
    ChannelEvent,
    DialTarget,
    Ended,
    Held,
    TransferRequested,
)
from callflow.engine.services import Services
from callflow.errors import CallGone
from callflow.events import CallAnswered
from callflow.media.messages import Hold
from callflow.recording.messages import LegNotice

if TYPE_CHECKING:
    from callflow.engine.call import Call
    from callflow.engine.recordings import RecordingsDesk

T = TypeVar("T")

LegListener = Callable[["Leg", ChannelEvent], None]

FALLBACK_CAUSE = "NORMAL_TEMPORARY_FAILURE"


class Notice(Protocol):
    """``Call.notice``."""

    def __call__(self, level: str, code: str, message: str, hint: str = "") -> None: ...


class Leg:
    """A channel and the task that reads what its party does. ``listener`` gets each event, at once.

    A leg may go from call to call: ``lenders`` are other calls that it is the line of, and are told that
    it has ended; ``desks`` have recordings of it beside those of the call that it is in.
    """

    def __init__(self, channel: Channel, listener: LegListener) -> None:
        self.channel = channel
        self.listener = listener
        self.lenders: list[Call] = []
        self.desks: list[RecordingsDesk] = []
        self.target: DialTarget | None = None
        self._reader: asyncio.Task[None] | None = None
        self._told = False

    @property
    def name(self) -> str:
        """The leg's name in media commands."""
        return self.channel.leg

    @property
    def ended(self) -> Ended | None:
        """Why it is gone, if it is."""
        return self.channel.ended

    def start(self) -> None:
        """Begin to read."""
        if self._reader is None:
            self._reader = asyncio.ensure_future(self._read())

    async def close(self) -> None:
        """Stop reading (the channel is left as it is). That it has ended is told all the same."""
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self.channel.ended is not None:
            self._tell(self.channel.ended)

    async def _read(self) -> None:
        if self.channel.ended is not None:
            self._tell(self.channel.ended)
            return
        while True:
            event = await self.channel.next_event()
            if isinstance(event, Ended):
                self._tell(event)
                return
            self.listener(self, event)

    def _tell(self, ended: Ended) -> None:
        if self._told:
            return
        self._told = True
        self.listener(self, ended)
        for lender in self.lenders:
            lender.joins.ended(ended)


class Line:
    """The leg whose call this is."""

    def __init__(self, services: Services, channel: Channel, notice: Notice) -> None:
        self.call_id = channel.call_id
        self.leg = Leg(channel, self._on_event)
        self.ended: Ended | None = None
        self.on_gone: list[Callable[[], None]] = []
        self.on_reseat: list[Callable[[], None]] = []
        self.spare: Leg | None = None
        """Who takes the place of the leg on the line when that has ended."""
        self.on_stand_in: list[Callable[[Leg], None]] = []
        """Who is told that it has, and of the former leg."""
        self._services = services
        self._notice = notice
        self._gone = asyncio.Event()
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def channel(self) -> Channel:
        """The channel that is on the line now."""
        return self.leg.channel

    @property
    def name(self) -> str:
        """The name of the line's leg in media commands."""
        return self.leg.name

    @property
    def answered(self) -> bool:
        """True from the answer on."""
        return self.channel.answered

    @property
    def gone(self) -> bool:
        """True once nobody is on the line any more."""
        return self.ended is not None

    # ---- its life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to hear what the caller does."""
        self.leg.start()

    def lose(self, ended: Ended) -> None:
        """Nobody is on the line any more; every wait of the call ends with ``CallGone``."""
        if self.ended is not None or self._stood_in():
            return
        self.ended = ended
        self._gone.set()
        for waiting in tuple(self._waiting):
            if not waiting.done():
                waiting.set_result(None)
        for tell in self.on_gone:
            tell()

    def reseat(self, leg: Leg) -> Leg:
        """Put ``leg`` on the line; give back the one that was on it. The call id stays."""
        former, self.leg = self.leg, leg
        self.listen()
        for tell in tuple(self.on_reseat):
            tell()
        return former

    def set_aside(self, leg: Leg) -> None:
        """``leg`` is the spare from now on."""
        self.spare = leg
        leg.listener = self._on_spare

    def _on_spare(self, leg: Leg, event: ChannelEvent) -> None:
        if isinstance(event, Held):
            self._services.media.send(Hold(leg.name, event.held))
        elif isinstance(event, Ended) and leg is self.spare:
            self.spare = None

    def _stood_in(self) -> bool:
        spare, self.spare = self.spare, None
        if spare is None or spare.ended is not None:
            return False
        former = self.reseat(spare)
        for tell in tuple(self.on_stand_in):
            tell(former)
        return True

    def listen(self) -> None:
        """Hear the leg on the line oneself (again, after a talk)."""
        self.leg.listener = self._on_event
        if self.leg.ended is not None:
            self.lose(self.leg.ended)

    async def close(self) -> None:
        """Stop hearing; when the run of the call is over."""
        await self.leg.close()

    def _on_event(self, leg: Leg, event: ChannelEvent) -> None:
        if leg is not self.leg:
            return
        if isinstance(event, Ended):
            self.lose(event)
        elif isinstance(event, Held):
            self._services.media.send(Hold(leg.name, event.held))
        elif isinstance(event, TransferRequested):
            self._notice(
                "warning",
                "CF-RUN-TRANSFER",
                f"a transfer to {event.target} was asked for, but nobody is bridged with the caller",
                "A transfer needs two parties that talk with each other.",
            )

    # ---- waiting -----------------------------------------------------------------------------

    def check(self) -> None:
        """Raise ``CallGone`` if the caller has gone."""
        if self.ended is not None:
            raise CallGone(f"the caller has gone ({self.ended.cause})")

    async def until_gone(self) -> None:
        """Wait until nobody is on the line. Never raises ``CallGone``."""
        await self._gone.wait()

    async def guard(self, work: Awaitable[T]) -> T:
        """Wait for ``work``; if the call ends before, ``work`` is cancelled and ``CallGone`` raised."""
        if self.ended is not None:
            if asyncio.iscoroutine(work):
                work.close()
            self.check()
        task = asyncio.ensure_future(work)
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        either: set[asyncio.Future[Any]] = {task, waiting}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.discard(waiting)
            waiting.cancel()
            if not task.done():
                task.cancel()
        if task.done() and not task.cancelled():
            result = task.result()
            self.check()
            return result
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self.check()
        raise asyncio.CancelledError

    # ---- what the engine does to it ----------------------------------------------------------

    async def answer(self) -> None:
        """Answer (200), once. Raises ``CallGone``."""
        self.check()
        if self.channel.answered:
            return
        await self.guard(self.channel.answer())
        self._services.media.send(LegNotice(self.name, "answered"))
        self._services.bus.publish(CallAnswered(time=self._services.clock.now(), call_id=self.call_id))

    async def progress(self) -> None:
        """Open the way for sound before the answer (183). Raises ``CallGone``."""
        self.check()
        if not self.channel.answered:
            await self.guard(self.channel.progress())

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        """End the leg on the line, if it is still there."""
        if self.ended is None:
            spare, self.spare = self.spare, None
            if spare is not None:
                await spare.channel.hangup(cause)
            await self.channel.hangup(cause, code, message)
            self.lose(self.channel.ended or Ended(cause, code, by="engine"))

    async def respond(self, code: int, message: str = "") -> None:
        """End the call with a SIP status; on an answered call that is a plain hangup."""
        if self.answered:
            await self.hangup("NORMAL_CLEARING")
        else:
            await self.hangup(cause_of(code), code, message)


def cause_of(code: int) -> str:
    """The hangup cause that stands for a SIP status."""
    return next((cause for cause, status in CAUSE_CODES.items() if status == code), FALLBACK_CAUSE)
