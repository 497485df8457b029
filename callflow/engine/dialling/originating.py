"""Layer 3: calls that begin here: somebody is rung first, and who answers is on the line of the call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from callflow.channels.channel import ChannelEvent, DialTarget, Direction, Ended, Party
from callflow.engine.dialling.ringing import NO_RINGBACK, Ringing, Rung
from callflow.events import CallAnswered
from callflow.recording.messages import LegNotice

if TYPE_CHECKING:
    from callflow.engine.call import Call

REACHED = frozenset({"USER_BUSY", "NO_ANSWER", "CALL_REJECTED"})
"""The callee was reached and does not want: no other gateway will change that."""


class NobodyYet:
    """Keeps the line of a call that begins here until somebody has answered: a channel without a leg in the
    media. It ends only by ``hangup``, which so ends the ringing, too.
    """

    direction = Direction.OUTBOUND
    answered = False

    def __init__(self, call_id: str, rate: int, party: Party) -> None:
        self.call_id = call_id
        self.leg = f"{call_id}/nobody-yet"
        self.rate = rate
        self.party = party
        self.ended: Ended | None = None
        self._over = asyncio.Event()

    async def next_event(self) -> ChannelEvent:
        """Its end."""
        await self._over.wait()
        assert self.ended is not None
        return self.ended

    async def progress(self) -> None:
        """There is nobody to hear anything."""

    async def answer(self) -> None:
        """There is nobody to be answered."""

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        """Ring no longer."""
        if self.ended is None:
            self.ended = Ended(cause, code, by="engine")
            self._over.set()


async def ring_out(call: Call, groups: Sequence[Sequence[DialTarget]], *, timeout_s: float) -> bool:
    """Ring each group until one is reached, each for at most ``timeout_s`` seconds; who answers is on the
    line of ``call``, which ``NobodyYet`` kept. False: nobody did, and the call has ended with the cause (and
    SIP status) that says why. Raises ``CallGone`` if it is hung up meanwhile.
    """
    rung = Rung(None, None, "NO_ROUTE_DESTINATION", 0)
    for group in groups:
        rung = await Ringing(
            call,
            group,
            timeout_s=timeout_s,
            ringback=NO_RINGBACK,
            fail_on_single_reject=False,
            ignore_early_media=True,
        ).run()
        if rung.leg is not None or rung.cause in REACHED:
            break
    if rung.leg is None:
        await call.hangup(rung.cause or "NO_ROUTE_DESTINATION", rung.code)
        return False
    await _seat(call, rung)
    return True


async def _seat(call: Call, rung: Rung) -> None:
    leg, services = rung.leg, call.services
    assert leg is not None
    former = call.line.reseat(leg)
    call.listening.start()
    services.calls.remove(former.channel.call_id)
    await former.close()
    services.media.send(LegNotice(leg.name, "answered"))
    services.bus.publish(CallAnswered(time=services.clock.now(), call_id=call.id))
    for event in rung.since:
        leg.listener(leg, event)
