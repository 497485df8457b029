"""Layer 3: a call's talks: two parties hear each other until one leaves, or transfers the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from callflow.channels.channel import ChannelEvent, DialTarget, Ended, Party, TransferRequested
from callflow.engine.dialling.consulting import RING_S, Consultation, Consulting
from callflow.engine.dialling.ringing import Forward, Ringing, Rung
from callflow.engine.dialling.talking import TRANSFERRED, Talks
from callflow.engine.flow import Flow
from callflow.engine.line import Leg
from callflow.engine.meeting.joining import Offer
from callflow.engine.results import BridgeResult
from callflow.errors import TooManyBranches
from callflow.events import CallTransferred
from callflow.media.messages import Clip

if TYPE_CHECKING:
    from callflow.engine.call import Call

__all__ = ["TRANSFERRED", "Bridging"]

TRANSFER_RING_S = 60.0
"""How long the target of a transfer rings."""

MOST_FORWARDS = 10
"""So often in a row what is rung may forward a call, without anybody having answered: loops end there."""


class Bridging:
    """How a call comes to its talks, and from one to the next."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._talks = Talks(call, self._may_transfer)
        self._ringing: Ringing | None = None
        self.after_talk: Callable[[], Awaitable[bool]] | None = None
        self._redirect: Flow | None = None
        self._overlay: Flow | None = None
        self._transfers = self._forwards = 0

    @property
    def bridged(self) -> bool:
        """True while two parties hear each other."""
        return self._talks.connected

    @property
    def peer(self) -> Leg | None:
        """Who talks with the line, if anybody does."""
        return self._talks.peer

    @property
    def transferor(self) -> Party | None:
        """Who has transferred the one on the line here, if anybody has."""
        return self._talks.transferor

    @property
    def on_connect(self) -> list[Callable[[], None]]:
        """Who is told of each talk, once the two hear each other."""
        return self._talks.on_connect

    def ringing(self) -> list[Leg]:
        """The legs that ring for the line at this moment."""
        return [] if self._ringing is None else self._ringing.legs

    def redirect(self, flow: Flow) -> None:
        """The walk goes on with ``flow``, whatever the module's next move."""
        self._redirect = flow

    def consult(self, leg: Leg, wanted: Consultation) -> None:
        """``leg``, one of the two that talk, asks somebody first (an attended transfer)."""
        self._talks.consult(leg, wanted)

    def leave_for(self, flow: Flow) -> bool:
        """End the talk: who is on the line goes on in ``flow``, the other is hung up. False: nobody talks."""
        peer = self.peer
        if peer is None or not self.bridged:
            return False
        self._overlay = flow
        peer.listener(peer, TransferRequested(flow.id or flow.name, "blind"))
        return True

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
        self._forwards = 0
        ended = await self._talks.run(leg, endpoint, since)
        if isinstance(ended, Ended):
            wish, self.after_talk = self.after_talk, None
            led_on = wish is not None and await wish()
            return BridgeResult(answered=True, cause=ended.cause, code=ended.code, transferred=led_on)
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
        if not self._may_transfer():
            await call.hangup("EXCHANGE_ROUTING_ERROR")
            return
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
        await self._go_on(TransferRequested(target, "blind"), trusted=bool(call.party.device_id))

    # ---- transfers ---------------------------------------------------------------------------

    def _route(self, number: str, *, trusted: bool) -> Flow | None:
        """The flow that the line goes on in; ``no_match`` calls this number, not the one called first."""
        call = self._call
        flow = call.route(number, allow_no_match=trusted)
        if flow is not None and call.no_match:
            call.party = replace(call.party, to_number=number)
        return flow

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
        flow = self._route(forward.number, trusted=forward.trusted)
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

    def _may_transfer(self) -> bool:
        """Whether one more transfer is taken, which then counts; else the author is told."""
        call = self._call
        if self._transfers < call.settings.callflow.max_branch_count:
            self._transfers += 1
            return True
        call.notice(
            "error",
            TooManyBranches.code,
            f"the call was transferred {self._transfers} times: this one is refused",
            "Do two flows or parties transfer to each other?",
        )
        return False

    async def give_up(self, consult: str) -> Leg | None:
        """See ``Talks.give_up``."""
        return await self._talks.give_up(consult)

    async def seat(self, leg: Leg, cause: str) -> None:
        """See ``Talks.seat``."""
        await self._talks.seat(leg, cause)

    async def _consult(self, wanted: Consultation) -> Ended | TransferRequested | Consultation:
        ringing = Ringing(
            self._call,
            wanted.targets,
            timeout_s=RING_S,
            ringback=wanted.ringback,
            fail_on_single_reject=False,
        )
        return await Consulting(self._call, self._talks, wanted).run(ringing, self._ring)

    async def _go_on(self, request: TransferRequested | Consultation, *, trusted: bool | None = None) -> str:
        """Bring the one on the line to the target of the transfer, and the next one, if that transfers again.

        Ends with the line sent to another flow or hung up; gives the cause. ``trusted``: who asks for it is a
        device of the account (None: the transferor is looked at).
        """
        call = self._call
        while True:
            if isinstance(request, Consultation):
                after = await self._consult(request)
                if isinstance(after, Ended):
                    await call.hangup(after.cause)
                    return after.cause
                request, trusted = after, None
                continue
            leg = await self._consulted(request.consult) if request.consult else None
            if trusted is None:
                trusted = bool(self.transferor and self.transferor.device_id)
            since: Sequence[ChannelEvent] = ()
            if leg is None:
                # kazoo.md 2.5: no_match, which often leads out to a carrier, is not for strangers.
                flow, self._overlay = self._overlay or self._route(request.target, trusted=trusted), None
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
            self._forwards = 0
            ended = await self._talks.run(leg, f"number {request.target}", since)
            if isinstance(ended, Ended):
                await call.hangup(ended.cause)
                return ended.cause
            request, trusted = ended, None

    async def _consulted(self, consult: str) -> Leg | None:
        """Who was consulted on the channel ``consult``, taken out of that call. If nobody talks with it (its
        target still rings, it is parked ...), the line goes into that call in its place, for good.
        """
        call = self._call
        other = call.services.calls.find(consult)
        if other is None or other is call or other.gone or not call.joins.fits(other):
            return None
        if other.bridging.peer is None and other.line.channel.call_id == consult:
            await call.joins.sit_in(other, TRANSFERRED["attended"])
        return await other.bridging.give_up(consult)
