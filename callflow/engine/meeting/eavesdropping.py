"""Layer 3: listening to another call's talk, and speaking into it: FreeSWITCH's eavesdrop.

The two who talk keep their bridge, and are members of a room beside it, where the one who listens speaks to
nobody until a key says to whom. Several may listen to one talk; they do not hear each other.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from callflow.engine.line import Leg
from callflow.engine.meeting.joining import Seen
from callflow.errors import CallGone
from callflow.events import CallBridged, CallEnded, CallUnbridged, Event
from callflow.media.messages import JoinRoom, LeaveRoom, SetMember

if TYPE_CHECKING:
    from callflow.engine.call import Call

TARGET, OTHER, BOTH, NOBODY = "1", "2", "3", "0"
"""Keys: to whom the listener speaks: the party that is listened to, the one it talks with, both, nobody."""

SETTLE_S = 0.5
"""A talk that is over may be followed by another one (a transfer) within so long; then listening goes on."""


class Eavesdrop:
    """One caller listens to the party ``seen``."""

    def __init__(self, call: Call, seen: Seen) -> None:
        self._call = call
        self._other = seen.call
        self._target = seen.leg
        self._peer = ""
        self._room = f"ears/{seen.call.id}"
        self._ear = ""
        self._speaks_to = NOBODY
        self._news: asyncio.Queue[Event] = asyncio.Queue()

    async def run(self) -> None:
        """Listen until the party that is listened to has gone. Raises ``CallGone``."""
        call = self._call
        await call.line.answer()
        call.flush_digits()
        unsubscribe = call.services.bus.subscribe(self._note)
        call.line.on_reseat.append(self._sit)
        try:
            self._meet(self._peer_now())
            self._sit()
            keys = asyncio.ensure_future(self._press_keys())
            try:
                await call.line.guard(self._follow())
            finally:
                keys.cancel()
                with suppress(asyncio.CancelledError):
                    await keys
        finally:
            call.line.on_reseat.remove(self._sit)
            unsubscribe()
            self._go()

    # ---- the talk ----------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        if isinstance(event, CallBridged | CallUnbridged):
            if self._target in (event.leg, event.peer):
                self._news.put_nowait(event)
        elif isinstance(event, CallEnded) and event.call_id == self._other.id:
            self._news.put_nowait(event)

    async def _follow(self) -> None:
        """Until the party has gone; with whom it talks may change."""
        wait_s: float | None = None
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    event = await self._news.get()
            except TimeoutError:
                wait_s = None
                if self._leg() is None:
                    return
                continue
            if isinstance(event, CallEnded):
                return
            if isinstance(event, CallBridged):
                self._meet(event.peer if event.leg == self._target else event.leg)
                wait_s = None
            elif isinstance(event, CallUnbridged):
                self._meet("")
                wait_s = SETTLE_S

    def _leg(self) -> Leg | None:
        """The party that is listened to, while its call has it."""
        legs = [self._other.line.leg, self._other.bridging.peer]
        return next(
            (leg for leg in legs if leg is not None and leg.name == self._target and leg.ended is None), None
        )

    def _peer_now(self) -> str:
        line, peer = self._other.line.leg.name, self._other.bridging.peer
        if peer is None:
            return ""
        return peer.name if line == self._target else line

    def _meet(self, peer: str) -> None:
        """The party talks with ``peer`` from now on (empty: nobody)."""
        media = self._call.services.media
        if self._peer and self._peer != peer:
            media.send(LeaveRoom(self._peer))
        self._peer = peer
        for leg in (self._target, peer):
            if leg:
                media.send(JoinRoom(leg, self._room))
        if self._ear:
            media.send(SetMember(self._ear, speaks_to=self._hearers(), hears_from=self._parties()))

    def _parties(self) -> tuple[str, ...]:
        return tuple(leg for leg in (self._target, self._peer) if leg)

    def _hearers(self) -> tuple[str, ...]:
        parties = {TARGET: (self._target,), OTHER: (self._peer,), BOTH: (self._target, self._peer)}
        return tuple(leg for leg in parties.get(self._speaks_to, ()) if leg)

    # ---- the one who listens -----------------------------------------------------------------

    def _sit(self) -> None:
        """Who is on the line listens."""
        ears = self._call.services.rooms.ears.setdefault(self._other.id, set())
        media = self._call.services.media
        if self._ear:
            ears.discard(self._ear)
            media.send(LeaveRoom(self._ear))
        self._ear = self._call.leg
        ears.add(self._ear)
        media.send(JoinRoom(self._ear, self._room, speaks_to=self._hearers(), hears_from=self._parties()))

    async def _press_keys(self) -> None:
        with suppress(CallGone):
            while True:
                digit = await self._call.listening.next_digit()
                if digit in (TARGET, OTHER, BOTH, NOBODY):
                    self._speaks_to = digit
                    self._meet(self._peer)

    def _go(self) -> None:
        """Nobody listens here any more; the last one takes the room along."""
        services = self._call.services
        ears = services.rooms.ears.get(self._other.id, set())
        ears.discard(self._ear)
        services.media.send(LeaveRoom(self._ear))
        if not ears:
            services.rooms.ears.pop(self._other.id, None)
            for leg in self._parties():
                services.media.send(LeaveRoom(leg))
