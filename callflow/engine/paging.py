"""Layer 3: a page: the caller speaks to many phones at once, in a room; each that answers comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callflow.channels.channel import Answered, ChannelEvent, DialTarget, Ended, Held
from callflow.engine.dialling.ringing import ring_one
from callflow.engine.line import Leg
from callflow.engine.rooms import Member, Out, Room, RoomRules
from callflow.engine.roomseat import Entry
from callflow.media.messages import Hold
from callflow.recording.messages import LegNotice

if TYPE_CHECKING:
    from callflow.engine.call import Call

KEYS = {"#": "hangup"}
"""What the caller of a page can press."""

NO_ANSWER, OVER = "NO_ANSWER", "NORMAL_CLEARING"


@dataclass(frozen=True, slots=True)
class PageResult:
    """How many phones have answered; why the caller was in the room no longer."""

    answered: int
    out: Out


class Page:
    """One page. ``two_way``: the phones are heard, too, by all."""

    def __init__(self, call: Call, targets: Sequence[DialTarget], *, timeout_s: float, two_way: bool) -> None:
        self._call = call
        self._targets = targets
        self._timeout_s = timeout_s
        self._two_way = two_way
        self._legs: dict[Leg, Member | None] = {}
        self._news: asyncio.Queue[tuple[Leg, ChannelEvent]] = asyncio.Queue()
        self._answered = 0

    async def run(self) -> PageResult:
        """Ring all, let the caller speak, and come back when the last phone has left (or none has answered in
        time). Raises ``CallGone``; nobody is left ringing or paged then.
        """
        call = self._call
        await call.line.answer()
        name = f"page {call.services.ids.short()}"
        rules = RoomRules(end=True)
        room = call.services.rooms.open(call.services, name, rules, call.line.channel.rate)
        ringing = asyncio.ensure_future(self._ring(room))
        try:
            out = await call.rooms.join(name, rules, Entry(moderator=True, keys=KEYS))
            if ringing.done() and not ringing.cancelled():
                ringing.result()
        finally:
            ringing.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await ringing
            call.services.rooms.forget(room)
            for leg in tuple(self._legs):
                await self._release(room, leg, OVER)
        return PageResult(self._answered, out)

    async def _ring(self, room: Room) -> None:
        """Ring all targets; let each in that answers; when all have gone, so goes the caller."""
        try:
            clock = self._call.services.clock
            end = clock.now() + self._timeout_s
            for delay_s, targets in sorted(_by_delay(self._targets).items()):
                await self._listen(room, min(end, end - self._timeout_s + delay_s))
                if clock.now() < end:
                    for target in targets:
                        await self._dial(target)
            await self._listen(room, end)
            for leg in [leg for leg, member in self._legs.items() if member is None]:
                await self._release(room, leg, NO_ANSWER)
            await self._listen(room, None)
        finally:
            for member in tuple(room.members):
                if member.leg == self._call.leg:
                    room.leave(member, Out.ENDED)

    async def _listen(self, room: Room, until: float | None) -> None:
        """What the phones do, up to ``until``; None: until none is left."""
        clock = self._call.services.clock
        while until is not None or self._legs:
            try:
                async with asyncio.timeout(None if until is None else max(0.0, until - clock.now())):
                    leg, event = await self._news.get()
            except TimeoutError:
                return
            if isinstance(event, Answered):
                self._let_in(room, leg)
            elif isinstance(event, Held):
                self._call.services.media.send(Hold(leg.name, event.held))
            elif isinstance(event, Ended) and leg in self._legs:
                await self._release(room, leg, event.cause)

    def _let_in(self, room: Room, leg: Leg) -> None:
        call = self._call
        if self._legs.get(leg, self) is not None or room.refuses(moderator=True):
            return
        member = self._legs[leg] = Member(leg.name, call.id, muted=not self._two_way)
        self._answered += 1
        call.services.media.send(LegNotice(leg.name, "answered"))
        room.enter(member)

    async def _dial(self, target: DialTarget) -> None:
        leg = await ring_one(self._call, target, lambda *news: self._news.put_nowait(news))
        self._legs[leg] = None
        leg.start()

    async def _release(self, room: Room, leg: Leg, cause: str) -> None:
        """A phone is in the page no more."""
        member = self._legs.pop(leg, None)
        if member is not None:
            room.leave(member)
        self._call.services.calls.remove(leg.channel.call_id)
        leg.listener = _ignore
        if leg.ended is None:
            await leg.channel.hangup(cause)
        await leg.close()


def _by_delay(targets: Sequence[DialTarget]) -> dict[float, list[DialTarget]]:
    found: dict[float, list[DialTarget]] = {}
    for target in targets:
        found.setdefault(target.delay_s, []).append(target)
    return found


def _ignore(leg: Leg, event: ChannelEvent) -> None:
    """Nobody cares any more for what this leg does."""
