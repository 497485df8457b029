"""Layer 3: a call's talks: two parties hear each other until one leaves, or transfers the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from callflow.channels.channel import ChannelEvent, DialTarget, Ended, Held, TransferRequested
from callflow.engine.flow import Flow
from callflow.engine.joining import PICKED_OFF, Offer
from callflow.engine.line import Leg
from callflow.engine.recordings import RecordingsDesk
from callflow.engine.results import BridgeResult
from callflow.engine.ringing import Forward, Ringing, Rung
from callflow.errors import TooManyBranches
from callflow.events import CallBridged, CallTransferred, CallUnbridged, DigitPressed
from callflow.media.messages import Bridge, Clip, Digit, Hold, PlaybackDone, Unbridge
from callflow.recording.messages import LegNotice

if TYPE_CHECKING:
    from callflow.engine.call import Call

TRANSFER_RING_S = 60.0
"""How long the target of a transfer rings."""

MOST_FORWARDS = 10
"""So often in a row what is rung may forward a call, without anybody having answered: loops end there."""

NORMAL = "NORMAL_CLEARING"
TRANSFERRED = {"blind": "BLIND_TRANSFER", "attended": "ATTENDED_TRANSFER"}
"""The hangup cause of a party that has transferred the other away."""


class Bridging:
    """At most one talk at a time: between the line and ``peer``."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._peer: Leg | None = None
        self._connected = False
        self._ringing: Ringing | None = None
        self._news: asyncio.Queue[tuple[Leg, Ended | TransferRequested] | Offer] = asyncio.Queue()
        self._redirect: Flow | None = None
        self._transfers = self._forwards = 0
        self._trusted = False  # who asked for the latest transfer is a device of the account

    @property
    def bridged(self) -> bool:
        """True while two parties hear each other."""
        return self._connected

    @property
    def peer(self) -> Leg | None:
        """Who talks with the line, if anybody does."""
        return self._peer

    def ringing(self) -> list[Leg]:
        """The legs that ring for the line at this moment."""
        return [] if self._ringing is None else self._ringing.legs

    def take_redirect(self) -> Flow | None:
        """The flow that a transfer has sent the line to, once: the walk goes on with it."""
        flow, self._redirect = self._redirect, None
        return flow

    async def run(
        self,
        targets: Sequence[DialTarget],
        *,
        timeout_s: float,
        ringback: Clip | None,
        fail_on_single_reject: bool,
        ignore_early_media: bool = False,
        follow_forwards: bool = True,
    ) -> BridgeResult:
        """See ``Call.bridge``."""
        self._call.line.check()
        ringing = Ringing(
            self._call,
            targets,
            timeout_s=timeout_s,
            ringback=ringback,
            fail_on_single_reject=fail_on_single_reject,
            ignore_early_media=ignore_early_media,
        )
        rung = await self._ring(ringing)
        if rung.leg is None or rung.target is None:
            if follow_forwards and rung.forward is not None and self._forwarded(rung.forward):
                return BridgeResult(answered=False, cause=rung.cause, code=rung.code, transferred=True)
            return BridgeResult(answered=False, cause=rung.cause, code=rung.code)
        return await self._talk_out(rung.leg, f"{rung.target.endpoint} {rung.target.id}", rung.since)

    async def welcome(self, offer: Offer) -> BridgeResult | None:
        """Talk with another call's party, who has come (see ``Joins``); None: it has gone meanwhile."""
        self._call.line.check()
        if not offer.take(self._call):
            return None
        return await self._talk_out(offer.leg, f"call {offer.lender.id}")

    async def _talk_out(self, leg: Leg, endpoint: str, since: Sequence[ChannelEvent] = ()) -> BridgeResult:
        ended = await self._talk(leg, endpoint, since)
        if isinstance(ended, Ended):
            return BridgeResult(answered=True, cause=ended.cause, code=ended.code)
        cause = await self._go_on(ended)
        return BridgeResult(answered=True, cause=cause, transferred=True)

    async def _ring(self, ringing: Ringing) -> Rung:
        self._ringing = ringing
        try:
            return await ringing.run()
        finally:
            self._ringing = None

    async def send_to(self, target: str) -> None:
        """See ``Call.transfer``."""
        call = self._call
        call.line.check()
        if self._too_many_transfers():
            await call.hangup("EXCHANGE_ROUTING_ERROR")
            return
        self._transfers += 1
        call.services.bus.publish(
            CallTransferred(
                time=call.services.clock.now(),
                call_id=call.id,
                leg=call.leg,
                kept=call.leg,
                target=target,
                kind="blind",
            )
        )
        self._trusted = bool(call.party.device_id)
        await self._go_on(TransferRequested(target, "blind"))

    # ---- a talk ------------------------------------------------------------------------------

    async def _talk(
        self, leg: Leg, endpoint: str, since: Sequence[ChannelEvent] = ()
    ) -> Ended | TransferRequested:
        """The line and ``leg`` (that has done ``since`` already) talk, until ``leg`` has ended or one has
        transferred the other (who then is on the line). Raises ``CallGone`` once the line has ended; ``leg``
        has been hung up then.
        """
        call = self._call
        self._forwards = 0
        self._news = asyncio.Queue()
        self._peer = leg
        leg.listener = call.line.leg.listener = self._hear
        door = self._news.put_nowait
        try:
            if leg.ended is not None:
                return leg.ended
            for event in since:
                self._hear(leg, event)
            await call.line.answer()
            await call.meets(leg)
            self._connect(leg, endpoint)
            call.joins.open(door)
            return await self._listen()
        finally:
            call.joins.close(door)
            self._turn_away()
            await self._part()

    def _connect(self, leg: Leg, endpoint: str) -> None:
        """The line and ``leg`` hear each other from now on."""
        call, media, line = self._call, self._call.services.media, self._call.line.leg
        self._peer = leg
        media.send(Bridge(line.name, leg.name))
        media.send(LegNotice(leg.name, "answered"))
        for name in (line.name, leg.name):
            media.send(LegNotice(name, "bridged"))
        call.services.router.watch_leg(leg.name, self._on_media)
        self._connected = True
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
            if mine.lender is not None:
                mine.lender.joins.now_bridged(other.name)

    async def _listen(self) -> Ended | TransferRequested:
        call = self._call
        while True:
            news = await call.line.guard(self._news.get())
            if isinstance(news, Offer):
                await self._replace(news)
                continue
            who, event = news
            peer = self._peer
            assert peer is not None
            if who is not peer and who is not call.line.leg:
                continue  # whose place another has taken meanwhile
            if isinstance(event, Ended):
                self._unbridged(event.cause, who)
                return event
            leaver, stayer = (call.line.leg, peer) if who is call.line.leg else (peer, call.line.leg)
            if self._too_many_transfers():
                continue
            await self._let_go(leaver, stayer, event)
            return event

    async def _replace(self, offer: Offer) -> None:
        """Another call's party takes the place of one of the two; that one is hung up."""
        line, peer = self._call.line.leg, self._peer
        assert peer is not None
        if offer.place_of not in (line.name, peer.name) or not offer.take(self._call):
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
        self._peer = None
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
        call, peer = self._call, self._peer
        self._peer = None
        call.line.listen()
        if peer is None:
            return
        call.services.router.forget_leg(peer.name)
        call.services.calls.remove(peer.channel.call_id)
        self._unbridged(call.line.ended.cause if call.line.ended else NORMAL, peer)
        if peer.ended is None:
            await peer.channel.hangup(NORMAL)
        await peer.close()

    def _unbridged(self, cause: str, peer: Leg) -> None:
        """They do not hear each other any more; told once a talk."""
        if not self._connected:
            return
        self._connected = False
        call = self._call
        call.services.media.send(Unbridge(call.leg))
        call.services.bus.publish(
            CallUnbridged(
                time=call.services.clock.now(),
                call_id=call.id,
                leg=call.leg,
                peer=peer.name,
                cause=cause,
            )
        )
        for leg in (call.line.leg, peer):
            if leg.lender is not None:
                leg.lender.joins.unbridged(cause)

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

    # ---- transfers ---------------------------------------------------------------------------

    def _forwarded(self, forward: Forward) -> bool:
        """Send the line to where a phone forwards it; False: no callflow takes it, or it is a loop."""
        call = self._call
        if self._forwards >= MOST_FORWARDS:
            call.notice(
                "error",
                TooManyBranches.code,
                f"the call was forwarded {self._forwards} times: this one is refused",
                "Do two phones forward to each other?",
            )
            return False
        flow = call.route(forward.number, allow_no_match=forward.trusted)
        if flow is None:
            return False
        self._forwards += 1
        self._redirect = flow
        call.services.bus.publish(
            CallTransferred(
                time=call.services.clock.now(),
                call_id=call.id,
                leg=forward.leg,
                kept=call.leg,
                target=forward.number,
                kind="forward",
            )
        )
        return True

    def _too_many_transfers(self) -> bool:
        """Whether one more is refused; then the author is told."""
        call = self._call
        if self._transfers < call.settings.callflow.max_branch_count:
            return False
        call.notice(
            "error",
            TooManyBranches.code,
            f"the call was transferred {self._transfers} times: this one is refused",
            "Do two flows or parties transfer to each other?",
        )
        return True

    async def _let_go(self, leaver: Leg, stayer: Leg, request: TransferRequested) -> None:
        """``leaver`` has transferred ``stayer``, who is on the line from now on."""
        call = self._call
        self._transfers += 1
        self._trusted = bool(leaver.channel.party.device_id)
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

    async def _go_on(self, request: TransferRequested) -> str:
        """Bring the one on the line to the target of the transfer, and the next one, if that transfers again.

        Ends with the line sent to another flow or hung up; gives the cause.
        """
        call = self._call
        while True:
            leg: Leg | None = None
            other = call.services.calls.find(request.consult) if request.consult else None
            if other is not None and other is not call:
                if other.bridging.peer is None and other.line.channel.call_id == request.consult:
                    await call.joins.sit_in(other, TRANSFERRED["attended"])
                leg = await other.bridging.give_up(request.consult)
            since: Sequence[ChannelEvent] = ()
            if leg is None:
                # kazoo.md 2.5: no_match, which often leads out to a carrier, is not for strangers.
                flow = call.route(request.target, allow_no_match=self._trusted)
                if flow is not None:
                    self._redirect = flow
                    return TRANSFERRED[request.kind]
                ringing = Ringing(
                    call,
                    [DialTarget("number", request.target)],
                    timeout_s=TRANSFER_RING_S,
                    ringback=None,
                    fail_on_single_reject=False,
                )
                rung = await self._ring(ringing)
                if rung.leg is None:
                    await call.hangup(rung.cause)
                    return rung.cause
                leg, since = rung.leg, rung.since
            ended = await self._talk(leg, f"number {request.target}", since)
            if isinstance(ended, Ended):
                await call.hangup(ended.cause)
                return ended.cause
            request = ended

    async def give_up(self, consult: str) -> Leg | None:
        """Another call takes over the party that talks with the channel ``consult`` here (an attended
        transfer); this call ends without hanging that party up. None: nobody talks with it.
        """
        call, peer, line = self._call, self._peer, self._call.line.leg
        if peer is None or consult not in (line.channel.call_id, peer.channel.call_id):
            return None
        leaver, third = (line, peer) if consult == line.channel.call_id else (peer, line)
        self._separate(leaver, third, TRANSFERRED["attended"])
        third.desks += [desk for desk in self._desks(leaver) if desk not in third.desks]
        self._peer = None
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
