"""Layer 3: an attended transfer by digits: who talks asks somebody first, while the other party hears music.

The one who asks is on the line; the other one is its *spare* (``Line.set_aside``), and takes its place when
it hangs up: while the asked phone still rings, or in the talk with it. If nobody answers, the asked one hangs
up, or the asker presses ``takeback``, the two talk again. If the spare leaves, asker and asked stay together.
The facts are those of Kazoo's own page of this action (konami, transfer.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callflow.channels.channel import DialTarget, Ended, TransferRequested
from callflow.engine.line import Leg
from callflow.events import CallTransferred
from callflow.media.messages import Clip, Play, StopPlay

if TYPE_CHECKING:
    from callflow.engine.call import Call
    from callflow.engine.dialling.ringing import Ringing, Rung
    from callflow.engine.dialling.talking import Talks

RING_S = 20.0
"""How long who is asked rings (Kazoo)."""


@dataclass(frozen=True, slots=True)
class Consultation:
    """``number`` is to be asked: ``targets`` are rung. ``music``: for who waits; ``ringback``: for who asks
    (None: the usual one); ``takeback``: the digits that end it.
    """

    number: str
    targets: tuple[DialTarget, ...]
    music: tuple[Clip, ...]
    ringback: Clip | None
    takeback: str


class Consulting:
    """One such transfer, from its begin to the end of what comes of it."""

    def __init__(self, call: Call, talks: Talks, wanted: Consultation) -> None:
        assert call.line.spare is not None
        self._call = call
        self._talks = talks
        self._wanted = wanted
        self._spare: Leg = call.line.spare
        self._playback = call.services.ids.short()
        self._taken_back = asyncio.Event()

    async def run(
        self, ringing: Ringing, ring: Callable[[Ringing], Coroutine[Any, Any, Rung]]
    ) -> Ended | TransferRequested | Consultation:
        """Ring, let them talk, put the rest together again; how the last talk of it ended. Raises
        ``CallGone``.
        """
        call, wanted, line = self._call, self._wanted, self._call.line
        if wanted.music:
            call.services.media.send(Play(self._spare.name, self._playback, wanted.music, loops=0))
        line.on_stand_in.append(self._stood_in)
        call.metaflows.hold(line.name, wanted.takeback, self._take_back)
        try:
            rung = await self._until_back(ring(ringing))
            ended: Ended | TransferRequested | Consultation = Ended("NORMAL_CLEARING", by="engine")
            if rung is not None and rung.leg is not None:
                if self._taken_back.is_set():
                    await rung.leg.channel.hangup("ORIGINATOR_CANCEL")
                else:
                    ended = await self._talks.run(rung.leg, f"number {wanted.number}", rung.since)
            elif rung is not None:
                ended = Ended(rung.cause, rung.code)
            if line.spare is None:  # it stands in by now, or has left
                return ended
        finally:
            line.on_stand_in.remove(self._stood_in)
            call.metaflows.unhold()
        line.spare = None
        call.services.media.send(StopPlay(self._spare.name, self._playback))
        return await self._talks.run(self._spare, "call " + call.id, met=True)

    async def _until_back(self, ring: Coroutine[Any, Any, Rung]) -> Rung | None:
        """Who answered, or why nobody did; None: it was taken back before."""
        ringing = asyncio.ensure_future(ring)
        back = asyncio.ensure_future(self._taken_back.wait())
        try:
            await asyncio.wait({ringing, back}, return_when=asyncio.FIRST_COMPLETED)
            return ringing.result() if ringing.done() else None
        finally:
            back.cancel()
            if not ringing.done():
                ringing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await ringing

    def _take_back(self) -> None:
        if self._call.line.spare is self._spare:
            self._taken_back.set()
            self._talks.end()

    def _stood_in(self, former: Leg) -> None:
        """Who has asked has gone: the other one is on the line in its place."""
        call = self._call
        call.services.media.send(StopPlay(self._spare.name, self._playback))
        call.services.router.forget_leg(former.name)
        call.services.calls.remove(former.channel.call_id)
        call.listening.start()
        call.services.bus.publish(
            CallTransferred(
                time=call.services.clock.now(),
                call_id=call.id,
                leg=former.name,
                kept=call.leg,
                target=self._wanted.number,
                kind="attended",
            )
        )
