"""Layer 3: rings targets for the one on the line, who hears ringback or early media meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from callflow.channels.channel import Answered, ChannelEvent, DialTarget, EarlyMedia, Ended
from callflow.documents.forwarding import call_waiting
from callflow.engine.dialling.confirming import CONFIRM_S, PROMPT, accepts
from callflow.engine.dialling.race import TIMED_OUT, AttemptState, Race
from callflow.engine.line import Leg, LegListener
from callflow.engine.meeting.joining import PICKED_OFF, Offer
from callflow.events import CallRinging
from callflow.media.messages import Bridge, Clip, Play, SilenceClip, StopPlay, ToneClip, Unbridge
from callflow.media.tones import NAMED

if TYPE_CHECKING:
    from callflow.engine.call import Call

RINGBACK = ToneClip(NAMED["ringback"])
NO_RINGBACK = SilenceClip(0.0)
"""In place of a ringback: what the caller hears already (music on hold) goes on."""

LOSE_RACE = "LOSE_RACE"
BUSY = ("USER_BUSY", 486)

UNWILLING = frozenset({"USER_BUSY", TIMED_OUT, "CALL_REJECTED"})
"""Who gives one of these was reached: nobody else is rung instead."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Who was rung said: try that ``number``. ``leg``: its name; ``trusted``: a device of the account."""

    number: str
    leg: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who has answered was asked whether it takes the call, and has said."""

    index: int
    accepts: bool


@dataclass(frozen=True, slots=True)
class Rung:
    """Who answered (``leg`` and the ``target`` it stands for), or why nobody did. ``since``: what who
    answered has done meanwhile. ``forward``: nobody did, but the first to forward the call says where else.
    """

    leg: Leg | None
    target: DialTarget | None
    cause: str = ""
    code: int = 0
    since: tuple[ChannelEvent, ...] = ()
    forward: Forward | None = None


class Ringing:
    """One attempt to find somebody for the line."""

    def __init__(
        self,
        call: Call,
        targets: Sequence[DialTarget],
        *,
        timeout_s: float,
        ringback: Clip | None,
        fail_on_single_reject: bool,
        ignore_early_media: bool = False,
    ) -> None:
        self._call = call
        self._ignore_early_media = ignore_early_media
        dialer = call.services.dialer
        self._targets = targets = [way for target in targets for way in dialer.expand(target)]
        self._ringback = ringback or RINGBACK
        self._playback = ""
        self._early: int | None = None
        self._forward: Forward | None = None
        self._legs: dict[int, Leg] = {}
        self._picked: Offer | None = None
        self._news: asyncio.Queue[tuple[Leg, ChannelEvent] | Offer | _Asked] = asyncio.Queue()
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._replaced: set[tuple[str, str, str]] = set()
        self._timeout_s = timeout_s
        self._race = Race(
            [target.delay_s for target in targets],
            start=call.services.clock.now(),
            timeout_s=timeout_s,
            fail_on_single_reject=fail_on_single_reject,
            timeouts=[target.timeout_s for target in targets],
        )

    @property
    def legs(self) -> list[Leg]:
        """Those that ring at this moment."""
        states = self._race.states
        return [leg for index, leg in self._legs.items() if states[index] is AttemptState.RINGING]

    async def run(self) -> Rung:
        """Ring until the race is over. Raises ``CallGone``; then, as always, nobody is left ringing."""
        call, race = self._call, self._race
        door = self._news.put_nowait
        call.joins.open(door)
        call.line.on_reseat.append(self._reseated)
        try:
            await call.line.progress()
            while True:
                now = call.services.clock.now()
                for index in race.due(now):
                    await (self._refuse(index) if self._is_busy(index) else self._dial(index))
                await self._hang_up(race.expired(now), TIMED_OUT)
                if race.over:
                    break
                event = await self._next(race.next_at() - now)
                if isinstance(event, Offer):
                    await self._pick_up(event)
                elif isinstance(event, _Asked):
                    await self._on_asked(event)
                elif event is not None:
                    await self._on_event(*event)
        finally:
            call.joins.close(door)
            call.line.on_reseat.remove(self._reseated)
            await self._hang_up(race.give_up(), "ORIGINATOR_CANCEL")
            self._quiet()
        rung = self._rung()
        while not self._news.empty():
            late = self._news.get_nowait()
            if isinstance(late, Offer):
                late.decline()
        return rung

    def _rung(self) -> Rung:
        race = self._race
        if self._picked is not None:
            party = self._picked.party
            return Rung(self._picked.leg, DialTarget("device", party.device_id or party.from_number))
        if race.winner is None:
            return Rung(None, None, *race.failure, forward=self._forward)
        leg = self._legs[race.winner]
        return Rung(leg, self._targets[race.winner], since=self._rest_of(leg))

    def _rest_of(self, leg: Leg) -> tuple[ChannelEvent, ...]:
        """What a leg has done that nobody has looked at yet."""
        events: list[ChannelEvent] = []
        while not self._news.empty():
            news = self._news.get_nowait()
            if isinstance(news, Offer):
                news.decline()
            elif isinstance(news, tuple) and news[0] is leg:
                events.append(news[1])
        return tuple(events)

    async def _pick_up(self, offer: Offer) -> None:
        """Another call's party answers in place of those that ring."""
        if offer.place_of or not offer.take(self._call):
            offer.decline()
            return
        self._picked = offer
        await self._hang_up(self._race.give_up(), PICKED_OFF)

    def _is_busy(self, index: int) -> bool:
        """A phone on which somebody talks, and that wants no second call (``call_waiting``), or not one that
        it would answer by itself.
        """
        call, target = self._call, self._targets[index]
        intercom = call.identity.intercom
        waits = call_waiting(call.account, target.document) and (intercom is None or intercom.barges)
        if target.endpoint != "device" or waits:
            return False
        return any(seen.party.device_id == target.id for seen in call.joins.seen())

    async def _refuse(self, index: int) -> None:
        await self._hang_up(self._race.ended(index, *BUSY), LOSE_RACE)

    async def _dial(self, index: int) -> None:
        call = self._call
        leg = await ring_one(call, self._targets[index], lambda *news: self._news.put_nowait(news))
        self._legs[index] = leg
        leg.start()
        if not self._playback and self._early is None:
            self._play_ringback()

    async def _next(self, wait_s: float) -> tuple[Leg, ChannelEvent] | Offer | _Asked | None:
        try:
            return await self._call.line.guard(self._news_within(max(0.0, wait_s)))
        except TimeoutError:
            return None

    async def _news_within(self, seconds: float) -> tuple[Leg, ChannelEvent] | Offer | _Asked:
        # Not wait_for(get()): a guard that ends before it has begun would leave get() unawaited.
        async with asyncio.timeout(seconds):
            return await self._news.get()

    async def _on_event(self, leg: Leg, event: ChannelEvent) -> None:
        index = next(index for index, mine in self._legs.items() if mine is leg)
        if isinstance(event, EarlyMedia):
            self._let_hear(index, leg)
        elif isinstance(event, Answered):
            if self._targets[index].confirm:
                self._ask(index, leg)
            else:
                await self._hang_up(self._race.answered(index), LOSE_RACE)
        elif isinstance(event, Ended) and leg.ended is not None:
            if event.forward and self._forward is None:
                self._forward = Forward(event.forward, leg.name, bool(leg.channel.party.device_id))
            await self._on_ended(index, event)

    def _ask(self, index: int, leg: Leg) -> None:
        """The others ring on while who has answered is asked."""
        if index in self._asking:
            return
        call = self._call

        async def ask() -> None:
            said = await accepts(call.services, leg.name, call.clips.prompt(PROMPT, call.language))
            self._news.put_nowait(_Asked(index, said))

        self._race.extend(index, call.services.clock.now() + CONFIRM_S)
        self._asking[index] = asyncio.ensure_future(ask())

    async def _on_asked(self, asked: _Asked) -> None:
        index = asked.index
        if self._race.states[index] is not AttemptState.RINGING:
            return
        if asked.accepts:
            await self._hang_up(self._race.answered(index), LOSE_RACE)
            return
        await self._hang_up([index], "NORMAL_CLEARING")
        await self._hang_up(self._race.ended(index, TIMED_OUT, 0), LOSE_RACE)

    def _let_hear(self, index: int, leg: Leg) -> None:
        """The first that sends early media is heard instead of the ringback."""
        if self._early is None and not (self._ignore_early_media or self._targets[index].quiet):
            self._early = index
            self._quiet()
            self._call.services.media.send(Bridge(self._call.leg, leg.name))

    async def _on_ended(self, index: int, event: Ended) -> None:
        if self._early == index:
            self._early = None
            self._call.services.media.send(Unbridge(self._call.leg))
            self._play_ringback()
        await self._forget(index)
        if event.cause not in UNWILLING:
            self._try_instead(index)
        await self._hang_up(self._race.ended(index, event.cause, event.code), LOSE_RACE)

    def _try_instead(self, index: int) -> None:
        """What a target that cannot be reached names in its place is rung now: the first; the others after
        it, in the same way.
        """
        target = self._targets[index]
        key = (target.endpoint, target.id, target.contact if target.endpoint == "number" else "")
        if not target.instead or key in self._replaced:  # once for all the contacts of a phone
            return
        self._replaced.add(key)
        first, *rest = target.instead
        first = replace(first, instead=(*first.instead, *rest))
        now = self._call.services.clock.now()
        for way in self._call.services.dialer.expand(first):
            self._targets.append(way)
            self._race.add(now, way.timeout_s or self._timeout_s)

    async def _hang_up(self, indexes: Sequence[int], cause: str) -> None:
        for index in indexes:
            leg = self._legs.get(index)
            if leg is not None:
                await leg.channel.hangup(cause)
                await self._forget(index)

    async def _forget(self, index: int) -> None:
        leg = self._legs[index]
        asking = self._asking.pop(index, None)
        if asking is not None:
            asking.cancel()
        self._call.services.calls.remove(leg.channel.call_id)
        leg.listener = _ignore
        await leg.close()

    # ---- what is heard meanwhile -------------------------------------------------------------

    def _play_ringback(self) -> None:
        if self._ringback == NO_RINGBACK:
            return
        self._playback = self._call.services.ids.short()
        self._call.services.media.send(
            Play(self._call.leg, self._playback, (self._ringback,), loops=0, now=True)
        )

    def _reseated(self) -> None:
        """Another party has come on the line: now that one waits, and hears it."""
        if self._playback:
            self._play_ringback()
        elif self._early is not None:
            self._call.services.media.send(Bridge(self._call.leg, self._legs[self._early].name))

    def _quiet(self) -> None:
        if self._playback:
            self._call.services.media.send(StopPlay(self._call.leg, self._playback))
            self._playback = ""


def _ignore(leg: Leg, event: ChannelEvent) -> None:
    """Nobody cares any more for what this leg does."""


async def ring_one(call: Call, target: DialTarget, listener: LegListener) -> Leg:
    """Ring a target for ``call``, and tell so; ``Leg.start`` is next. Raises what ``Dialer.dial`` does."""
    services, target = call.services, call.identity.present(target)
    channel = await services.dialer.dial(
        target,
        caller=target.caller or call.party,
        rate=call.line.channel.rate,
        call_id=services.ids.call_id(),
        near=call.leg,
    )
    leg = Leg(channel, listener)
    leg.target = target
    services.calls.add(channel.call_id, call)
    services.bus.publish(
        CallRinging(
            time=services.clock.now(),
            call_id=call.id,
            leg=leg.name,
            endpoint=f"{target.endpoint} {target.id}",
        )
    )
    return leg
