"""Layer 3: one talk: the line and its peer hear each other until one leaves, or transfers the other.

Another call's party may take the place of either (``Joins.take_place``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from callflow.channels.channel import ChannelEvent, Ended, Held, Party, TransferRequested
from callflow.engine.dialling.consulting import Consultation
from callflow.engine.line import Leg
from callflow.engine.meeting.joining import PICKED_OFF, Offer
from callflow.engine.recordings import RecordingsDesk
from callflow.events import CallBridged, CallTransferred, CallUnbridged, DigitPressed
from callflow.media.messages import Bridge, Digit, Hold, PlaybackDone, Unbridge
from callflow.recording.messages import LegNotice

if TYPE_CHECKING:
    from callflow.engine.call import Call

NORMAL = "NORMAL_CLEARING"
TRANSFERRED = {"blind": "BLIND_TRANSFER", "attended": "ATTENDED_TRANSFER"}
"""The hangup cause of a party that has transferred the other away."""


class Talks:
    """At most one talk at a time: between the line and ``peer``. ``may_transfer`` is asked before a party is
    let go; ``on_connect`` is told of each talk once they hear each other. ``transferor``: who has made the
    latest transfer.
    """

    def __init__(self, call: Call, may_transfer: Callable[[], bool]) -> None:
        self._call = call
        self._may_transfer = may_transfer
        self.peer: Leg | None = None
        self.connected = False
        self.on_connect: list[Callable[[], None]] = []
        self.transferor: Party | None = None
        self._news: asyncio.Queue[tuple[Leg, Ended | TransferRequested | Consultation] | Offer] = (
            asyncio.Queue()
        )

    async def run(
        self, leg: Leg, endpoint: str, since: Sequence[ChannelEvent] = (), *, met: bool = False
    ) -> Ended | TransferRequested | Consultation:
        """The line and ``leg`` (that has done ``since`` already) talk, until ``leg`` has ended or one has
        transferred the other (who then is on the line), or wants to ask somebody first (and is on the line,
        the other aside). Raises ``CallGone`` once the line has ended; ``leg`` has been hung up then. ``met``:
        it has talked here before.
        """
        call = self._call
        self._news = asyncio.Queue()
        self.peer = leg
        leg.listener = call.line.leg.listener = self._hear
        door = self._news.put_nowait
        call.line.on_stand_in.append(self._stood_in)
        try:
            if leg.ended is not None:
                return leg.ended
            for event in since:
                self._hear(leg, event)
            await call.line.answer()
            if not met:
                await call.meets(leg)
            self._connect(leg, endpoint)
            call.joins.open(door)
            return await self._listen()
        finally:
            call.line.on_stand_in.remove(self._stood_in)
            call.joins.close(door)
            self._turn_away()
            await self._part()

    def _connect(self, leg: Leg, endpoint: str) -> None:
        """The line and ``leg`` hear each other from now on."""
        call, media, line = self._call, self._call.services.media, self._call.line.leg
        self.peer = leg
        media.send(Bridge(line.name, leg.name))
        media.send(LegNotice(leg.name, "answered"))
        for name in (line.name, leg.name):
            media.send(LegNotice(name, "bridged"))
        call.services.router.watch_leg(leg.name, self._on_media)
        self.connected = True
        call.services.bus.publish(
            CallBridged(
                time=call.services.clock.now(),
                call_id=call.id,
                leg=line.name,
                peer=leg.name,
                endpoint=endpoint,
            )
        )
        for mine, other in ((line, leg), (leg, line)):
            for lender in mine.lenders:
                lender.joins.now_bridged(other.name)
        for tell in tuple(self.on_connect):
            tell()

    def consult(self, leg: Leg, wanted: Consultation) -> None:
        """``leg``, one of the two, wants to ask somebody."""
        self._news.put_nowait((leg, wanted))

    def end(self) -> None:
        """The talk is over, as if the peer had hung up; nothing happens if there is none."""
        if self.peer is not None:
            self._news.put_nowait((self.peer, Ended(NORMAL, by="engine")))

    def _stood_in(self, former: Leg) -> None:
        """The spare is on the line in the place of ``former``, and talks with the peer."""
        line, peer = self._call.line.leg, self.peer
        line.listener = self._hear
        if peer is not None and self.connected:
            cause = NORMAL if former.ended is None else former.ended.cause
            self._unbridged(cause, peer, former)
            self._connect(peer, f"call {self._call.id}")

    async def _listen(self) -> Ended | TransferRequested | Consultation:
        call = self._call
        while True:
            news = await call.line.guard(self._news.get())
            if isinstance(news, Offer):
                await self._replace(news)
                continue
            who, event = news
            peer = self.peer
            assert peer is not None
            if who is not peer and who is not call.line.leg:
                continue  # whose place another has taken meanwhile
            if isinstance(event, Ended):
                self._unbridged(event.cause, who)
                return event
            leaver, stayer = (call.line.leg, peer) if who is call.line.leg else (peer, call.line.leg)
            if call.line.spare is not None:
                call.notice(
                    "warning",
                    "CF-RUN-TRANSFER",
                    "a transfer was asked for in the middle of an attended one: it is not done",
                    "Who has asked somebody first can only hang up, or take the other party back.",
                )
                continue
            if not self._may_transfer():
                continue
            if isinstance(event, Consultation):
                self._step_aside(leaver, stayer)
            else:
                await self._let_go(leaver, stayer, event)
            return event

    def _step_aside(self, asker: Leg, other: Leg) -> None:
        """``asker`` is about to ask somebody, with ``other`` as its spare."""
        call = self._call
        self.transferor = asker.channel.party
        self._separate(asker, other, TRANSFERRED["attended"])
        self.peer = None
        call.services.router.forget_leg(other.name)
        call.services.router.forget_leg(asker.name)
        if asker is not call.line.leg:
            call.line.reseat(asker)
        call.listening.start()
        call.line.set_aside(other)

    async def _replace(self, offer: Offer) -> None:
        """Another call's party takes the place of one of the two; that one is hung up."""
        line, peer = self._call.line.leg, self.peer
        assert peer is not None
        consulting = self._call.line.spare is not None
        if consulting or offer.place_of not in (line.name, peer.name) or not offer.take(self._call):
            offer.decline()
            return
        leaver, stayer = (line, peer) if offer.place_of == line.name else (peer, line)
        self._separate(leaver, stayer, PICKED_OFF)
        await self._dismiss(leaver, stayer, PICKED_OFF)
        offer.leg.listener = self._hear
        self._connect(offer.leg, f"call {offer.lender.id}")

    def _separate(self, leaver: Leg, stayer: Leg, cause: str) -> None:
        """``leaver`` goes out of the talk: the recordings of all calls that hear it stay with ``stayer``, or
        end.
        """
        for desk in self._desks(leaver, stayer):
            desk.transfer(leaver.name, stayer.name)
        self._unbridged(cause, stayer if leaver is self._call.line.leg else leaver)

    async def _dismiss(self, leaver: Leg, stayer: Leg, cause: str) -> None:
        """``leaver`` is hung up; ``stayer`` is on the line."""
        call = self._call
        self.peer = None
        if leaver is call.line.leg:
            call.line.reseat(stayer)
            stayer.listener = self._hear
            call.services.router.forget_leg(leaver.name)
            call.listening.start()
        call.services.router.forget_leg(leaver.name)
        call.services.calls.remove(leaver.channel.call_id)
        leaver.listener = _gone
        await leaver.channel.hangup(cause)
        await leaver.close()

    def _desks(self, *legs: Leg) -> list[RecordingsDesk]:
        return list(dict.fromkeys([self._call.recordings, *(desk for leg in legs for desk in leg.desks)]))

    def _turn_away(self) -> None:
        """Those who come now are too late."""
        while not self._news.empty():
            news = self._news.get_nowait()
            if isinstance(news, Offer):
                news.decline()

    async def _part(self) -> None:
        """The talk is over: the peer, if it is still ours, is hung up."""
        call, peer = self._call, self.peer
        self.peer = None
        call.line.listen()
        if peer is None:
            return
        call.services.router.forget_leg(peer.name)
        call.services.calls.remove(peer.channel.call_id)
        self._unbridged(call.line.ended.cause if call.line.ended else NORMAL, peer)
        if peer.ended is None:
            await peer.channel.hangup(NORMAL)
        await peer.close()

    def _unbridged(self, cause: str, peer: Leg, line: Leg | None = None) -> None:
        """They do not hear each other any more; told once a talk."""
        if not self.connected:
            return
        self.connected = False
        call = self._call
        line = line or call.line.leg
        call.services.media.send(Unbridge(line.name))
        call.services.bus.publish(
            CallUnbridged(
                time=call.services.clock.now(),
                call_id=call.id,
                leg=line.name,
                peer=peer.name,
                cause=cause,
            )
        )
        for leg in (line, peer):
            for lender in leg.lenders:
                lender.joins.unbridged(cause)

    def _hear(self, leg: Leg, event: ChannelEvent) -> None:
        if isinstance(event, Held):
            self._call.services.media.send(Hold(leg.name, event.held))
        elif isinstance(event, Ended) and leg is self._call.line.leg:
            self._call.line.lose(event)
        elif isinstance(event, Ended | TransferRequested):
            self._news.put_nowait((leg, event))

    def _on_media(self, event: Digit | PlaybackDone) -> None:
        if isinstance(event, Digit):
            self._call.services.bus.publish(
                DigitPressed(time=event.time, call_id=self._call.id, leg=event.leg, digit=event.digit)
            )

    # ---- who goes -----------------------------------------------------------------------------

    async def _let_go(self, leaver: Leg, stayer: Leg, request: TransferRequested) -> None:
        """``leaver`` has transferred ``stayer``, who is on the line from now on."""
        call = self._call
        self.transferor = leaver.channel.party
        self._separate(leaver, stayer, TRANSFERRED[request.kind])
        call.services.bus.publish(
            CallTransferred(
                time=call.services.clock.now(),
                call_id=call.id,
                leg=leaver.name,
                kept=stayer.name,
                target=request.target,
                kind=request.kind,
            )
        )
        await self._dismiss(leaver, stayer, TRANSFERRED[request.kind])

    async def give_up(self, consult: str) -> Leg | None:
        """Another call takes over the party that talks with the channel ``consult`` here (an attended
        transfer); this call ends without hanging that party up. None: nobody talks with it.
        """
        call, peer, line = self._call, self.peer, self._call.line.leg
        if peer is None or call.line.spare or consult not in (line.channel.call_id, peer.channel.call_id):
            return None
        leaver, third = (line, peer) if consult == line.channel.call_id else (peer, line)
        self._separate(leaver, third, TRANSFERRED["attended"])
        third.desks += [desk for desk in self._desks(leaver) if desk not in third.desks]
        self.peer = None
        call.services.router.forget_leg(third.name)
        call.services.router.forget_leg(leaver.name)
        call.services.calls.remove(third.channel.call_id)
        call.line.leg = leaver
        cause = TRANSFERRED["attended"]
        await leaver.channel.hangup(cause)
        call.line.lose(Ended(cause, by="engine"))
        return third

    async def seat(self, leg: Leg, cause: str) -> None:
        """``leg`` is on the line from now on, wherever the walk is; who was there is hung up with ``cause``.
        Nobody talks with the line.
        """
        call, former = self._call, self._call.line.leg
        self.transferor = former.channel.party
        for desk in self._desks(former):
            desk.replace(former.name, leg.name)
        if leg.channel.answered:
            call.services.media.send(LegNotice(leg.name, "answered"))
        call.line.reseat(leg)
        call.services.router.forget_leg(former.name)
        call.listening.start()
        call.services.calls.remove(former.channel.call_id)
        await former.channel.hangup(cause)
        await former.close()


def _gone(leg: Leg, event: ChannelEvent) -> None:
    """What a leg that has left does is nobody's business any more."""
