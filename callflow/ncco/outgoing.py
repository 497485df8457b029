"""Layer 4: an outgoing leg of ``connect``: its states as events, its place in the conversation, its limit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.clock import Clock
from callflow.engine.call import BridgeResult, Call
from callflow.engine.dialling.originating import REACHED
from callflow.errors import CallGone
from callflow.events import CallBridged, CallRinging, Event
from callflow.media.messages import Clip
from callflow.ncco import events
from callflow.ncco.application import Webhook
from callflow.ncco.pressing import press
from callflow.ncco.session import Member, Session
from callflow.ncco.uuids import new_uuid

NO_WAY = BridgeResult(answered=False, cause="NO_ROUTE_DESTINATION")


class OutgoingLeg:
    """Rings, talks, ends; ``webhook`` is told of each state. ``kind``: of endpoint."""

    def __init__(
        self, session: Session, webhook: Webhook | None, kind: str, from_number: str, to: str
    ) -> None:
        self._session = session
        self._call: Call = session.call
        self._clock: Clock = session.call.services.clock
        self._webhook = webhook
        self._kind = kind
        self.uuid = new_uuid(session.call.services.ids)
        self.party = events.Party(self.uuid, session.conversation_uuid, from_number, to, "outbound")
        self._told: set[str] = set()
        self._answered_at: float | None = None
        self.ended_here = False
        """Its talk was ended from here: by its limit."""
        self._limit_s = 0.0
        self._digits = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def ring(
        self,
        groups: list[list[DialTarget]],
        *,
        timeout_s: float,
        limit_s: float,
        ringback: Clip | None,
        digits: str,
    ) -> BridgeResult:
        """Ring each group until one is reached, talk for at most ``limit_s``; ``digits`` are pressed at its
        answer. Tells every state but the last one of a leg that was not answered. Raises CallGone.
        """
        call = self._call
        self._limit_s, self._digits = limit_s, digits
        leave = call.services.bus.subscribe(self._hear, call_id=call.id)
        result = NO_WAY
        try:
            for group in groups:
                result = await call.bridge(
                    group, timeout_s=timeout_s, ringback=ringback, follow_forwards=False
                )
                if result.answered or result.transferred or result.cause in REACHED:
                    break
        except (CallGone, asyncio.CancelledError):
            self._gone()
            raise
        finally:
            leave()
            for task in self._tasks:
                task.cancel()
        if self._answered_at is not None:
            self._tell(self._completed(by_platform=False))
        return result

    # ---- what happens to it --------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        if isinstance(event, CallRinging):
            self._once("started")
            self._once("ringing")
        elif isinstance(event, CallBridged):
            self._answered(event)

    def _answered(self, event: CallBridged) -> None:
        call, session = self._call, self._session
        peer = call.bridging.peer
        if self._answered_at is not None or peer is None:
            return
        self._answered_at = session.wall
        party = self.party
        session.conversation.join(
            Member(
                self.uuid,
                event.peer,
                peer.channel.call_id,
                "outbound",
                party.from_number,
                party.to_number,
                self._kind,
            )
        )
        self._tell(events.answered(party, session.wall))
        self._start(self._end_at_limit())
        if self._digits:
            self._start(press(self._call, event.peer, self._digits))

    def _once(self, status: str) -> None:
        if status not in self._told:
            self._told.add(status)
            self._tell(events.call_state(self.party, status, self._session.wall))

    def _gone(self) -> None:
        """The caller has left, or the script was broken off."""
        if self._answered_at is not None:
            self._tell(self._completed(by_platform=True))
        elif self._told:
            self._tell(events.call_state(self.party, events.CANCELLED, self._session.wall))

    def _completed(self, *, by_platform: bool) -> Mapping[str, Any]:
        wall = self._session.wall
        return events.completed(
            self.party, wall, start=self._answered_at, end=wall, by_platform=by_platform, sip_code=200
        )

    def _tell(self, body: Mapping[str, Any]) -> None:
        self._call.spawn(self._session.tell_state(body, self._webhook))

    # ---- beside the talk -----------------------------------------------------------------------

    def _start(self, work: Any) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def _end_at_limit(self) -> None:
        await self._clock.sleep(self._limit_s)
        peer = self._call.bridging.peer
        if peer is not None:
            self.ended_here = True
            await peer.channel.hangup("NORMAL_CLEARING")
