"""Layer 3: calls meet: a call's party comes into another call of the account, and talks there.

The one who comes *lends* its line: its leg becomes the other call's peer (or takes the place of that call's
caller), its own walk waits, its own recordings go on. Its ``Call`` lives until its leg has ended, whoever
ends it; by then the leg may have gone on to further calls.

``services.calls`` knows the calls of an account. A call can be met while something in it waits for that:
phones that ring (``Ringing``), a talk (``Bridging``), a caller who is parked (``parking``). Each of these
opens the door (``Joins.open``) and gets ``Offer``s, to be taken or declined by the task that drives the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from callflow.channels.channel import Ended, Party
from callflow.engine.line import Leg
from callflow.events import CallBridged, CallUnbridged
from callflow.media.crossing import meets

if TYPE_CHECKING:
    from callflow.engine.call import Call

PICKED_OFF = "PICKED_OFF"
"""The hangup cause of a phone whose call somebody else has picked up (FreeSWITCH)."""

INTERCEPTED = "PICKED_OFF"
"""The hangup cause of a party whose place in a talk another has taken (FreeSWITCH's intercept)."""


class Doing(StrEnum):
    """What a party does at this moment."""

    RINGING = "ringing"  # its phone rings
    TALKING = "talking"  # it hears another party
    ALONE = "alone"  # in a flow: a menu, a mailbox, a parking slot; or it hears others ring


@dataclass(frozen=True, slots=True)
class Seen:
    """A party of a call that is up: the ``call`` that drives it, its ``leg``, who it is."""

    call: Call
    leg: str
    party: Party
    doing: Doing


@dataclass(eq=False, slots=True)
class Offer:
    """A lent line. ``place_of``: the leg whose place in a talk it is to take (empty: of those who ring, or
    nobody's). Whoever gets it calls ``take`` or ``decline``, once.
    """

    lender: Call
    leg: Leg
    place_of: str = ""
    answer: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def party(self) -> Party:
        """Who comes."""
        return self.leg.channel.party

    def take(self, taker: Call) -> bool:
        """It is the taker's from now on; False: it has been withdrawn (its party has gone)."""
        if self.answer.done() or self.leg.ended is not None:
            return False
        self.lender.joins.lent_to(taker)
        self.answer.set_result(True)
        return True

    def decline(self) -> None:
        """It comes too late, or nobody is there for it."""
        if not self.answer.done():
            self.answer.set_result(False)


Door = Callable[[Offer], None]


class Joins:
    """How one call meets others. ``call.joins``."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._door: Door | None = None
        self._host: Call | None = None
        self._bridged = False

    # ---- who is there ------------------------------------------------------------------------

    def seen(self) -> list[Seen]:
        """Every party of the account's other calls, the oldest call first: callers, talks, phones that
        ring. A party whose line is lent is told by the call that has it.
        """
        found: list[Seen] = []
        for call in self._call.services.calls.all():
            if call is not self._call and not call.gone:
                found += call.joins.parties()
        return found

    def parties(self) -> list[Seen]:
        """The parties that this call drives: none while its line is lent."""
        call = self._call
        if self._host is not None:
            return []
        peer = call.bridging.peer
        doing = Doing.TALKING if peer is not None and call.bridged else Doing.ALONE
        found = [Seen(call, call.leg, call.line.channel.party, doing)]
        if peer is not None:
            found.append(Seen(call, peer.name, peer.channel.party, doing))
        found += [Seen(call, leg.name, leg.channel.party, Doing.RINGING) for leg in call.bridging.ringing()]
        return found

    @property
    def host(self) -> Call | None:
        """The call that has this call's party now; None: it is here."""
        return self._host

    # ---- going to another call ---------------------------------------------------------------

    async def pick_up(self, other: Call) -> None:
        """Answer the phones that ring on ``other``, in their place: its caller talks with this call's party.

        Comes back only if it was too late (answered by another, or given up); after the talk ``CallGone`` is
        raised, since this call's party has been hung up with it.
        """
        await self._lend(other)

    async def take_place(self, other: Call, leg: str) -> None:
        """Take the place of ``leg`` in the talk of ``other``: that party is hung up, the one it talked with
        talks with this call's party. Comes back only if that talk is over; else as ``pick_up``.
        """
        await self._lend(other, leg)

    async def meet(self, other: Call) -> None:
        """Talk with the caller of ``other``, who waits for somebody (is parked). As ``pick_up``."""
        await self._lend(other)

    async def sit_in(self, other: Call, cause: str) -> None:
        """Become the caller of ``other``, wherever its walk is; its former caller is hung up with ``cause``.
        This call's party must talk with nobody. Ends with ``CallGone``.
        """
        call = self._call
        call.line.check()
        self.lent_to(other)
        await other.bridging.seat(call.line.leg, cause)
        await call.line.until_gone()
        call.line.check()

    def fits(self, other: Call) -> bool:
        """Whether the two calls' parties can hear each other; if not (pretend calls of odd rates), the author
        is told.
        """
        mine, theirs = self._call.line.channel.rate, other.line.channel.rate
        fit = meets(mine, theirs)
        if not fit:
            self._call.notice(
                "error",
                "CF-RUN-RATE",
                f"this call's sound has {mine} Hz, the other call's {theirs} Hz: they cannot be connected",
                "Calls of one rate can be, and calls of 8000 and 16000 Hz.",
            )
        return fit

    async def _lend(self, other: Call, place_of: str = "") -> None:
        call = self._call
        await call.answer()
        if not self.fits(other):
            return
        offer = Offer(call, call.line.leg, place_of)
        try:
            if other.gone or not other.joins.offer(offer) or not await call.line.guard(offer.answer):
                return
        finally:
            offer.decline()
        await call.line.until_gone()
        call.line.check()

    def lent_to(self, host: Call) -> None:
        """``host`` has this call's leg from now on. (For ``Offer``.)"""
        call, leg = self._call, self._call.line.leg
        if call not in leg.lenders:
            leg.lenders.append(call)
        if call.recordings not in leg.desks:
            leg.desks.append(call.recordings)
        self._host = host
        call.listening.close()
        call.services.calls.add(leg.channel.call_id, host)

    def ended(self, ended: Ended) -> None:
        """The lent leg has ended, and this call with it. (For ``Leg``.)"""
        self.unbridged(ended.cause)
        self._call.line.lose(ended)

    # ---- others come to this call --------------------------------------------------------------

    def open(self, door: Door) -> None:
        """From now on ``door`` gets those who want to come in (at once, in their task: it must only note
        them, and wake the task that drives this call). One door at a time: the latest.
        """
        self._door = door

    def close(self, door: Door) -> None:
        """Nobody can come in by ``door`` any more."""
        if self._door == door:
            self._door = None

    def offer(self, offer: Offer) -> bool:
        """Somebody wants to come in; False: nothing here waits for anybody."""
        if self._door is None:
            return False
        self._door(offer)
        return True

    async def next_offer(self, timeout_s: float | None = None) -> Offer | None:
        """Wait for somebody who comes to meet this call's party (``Bridging.welcome`` is next), at most so
        many seconds. Raises ``CallGone``.
        """
        coming: asyncio.Queue[Offer] = asyncio.Queue()
        door = coming.put_nowait
        self.open(door)
        try:
            return await self._call.line.guard(_within(timeout_s, coming))
        except TimeoutError:
            return None
        finally:
            self.close(door)
            while not coming.empty():
                coming.get_nowait().decline()

    # ---- what is told of a lent line -----------------------------------------------------------

    @property
    def bridged(self) -> bool:
        """True while this call's lent party hears another."""
        return self._bridged

    def now_bridged(self, peer: str) -> None:
        """This call's lent party hears ``peer`` from now on. (For ``Bridging``.)"""
        self._bridged = True
        self._peer = peer
        call = self._call
        call.services.bus.publish(
            CallBridged(
                time=call.services.clock.now(), call_id=call.id, leg=call.leg, peer=peer, endpoint="call"
            )
        )

    def unbridged(self, cause: str) -> None:
        """It does not hear anybody any more; told once a talk."""
        if not self._bridged:
            return
        self._bridged = False
        call = self._call
        call.services.bus.publish(
            CallUnbridged(
                time=call.services.clock.now(), call_id=call.id, leg=call.leg, peer=self._peer, cause=cause
            )
        )


async def _within(timeout_s: float | None, coming: asyncio.Queue[Offer]) -> Offer:
    async with asyncio.timeout(timeout_s):
        return await coming.get()
