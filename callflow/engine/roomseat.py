"""Layer 3: a caller in a room (``call.rooms``): comes in, presses keys, goes. The room is in ``rooms``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callflow.channels.channel import ChannelEvent, Ended, Held, TransferRequested
from callflow.engine.line import Leg
from callflow.engine.rooms import Member, Out, Room, RoomRules
from callflow.errors import CallGone
from callflow.events import CallTransferred
from callflow.media.messages import Clip, Hold

if TYPE_CHECKING:
    from callflow.engine.call import Call

KEYS: Mapping[str, str] = {"0": "mute", "*": "deaf mute", "#": "hangup"}
"""FreeSWITCH's default caller controls, but for those of volume and energy, which nothing here has."""

ACTIONS = frozenset(
    {"mute", "mute on", "mute off", "deaf mute", "deaf", "deaf on", "deaf off", "lock", "hangup"}
)
"""What a key can do. ``mute``, ``deaf``, ``deaf mute`` and ``lock`` switch to and fro."""

REPLACED = "ATTENDED_TRANSFER"
"""The hangup cause of a member that has given its seat to another party."""

KEY_GAP_S = 1.0
"""So long the next digit of a key of several is waited for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How a caller comes in. ``keys``: digits to actions. ``sounds``: what it hears when it is ``muted``,
    ``unmuted``, ``deaf``, ``undeaf``, or comes in ``alone``. ``joins``, ``leaves``: what all hear of it then.
    The others as in ``rooms.Member``.
    """

    moderator: bool = False
    muted: bool = False
    deaf: bool = False
    keys: Mapping[str, str] = field(default_factory=lambda: KEYS)
    sounds: Mapping[str, Sequence[Clip]] = field(default_factory=dict)
    joins: tuple[Clip, ...] = ()
    leaves: tuple[Clip, ...] = ()
    ends: bool = False
    hold: tuple[Clip, ...] = ()
    speaks_to: tuple[str, ...] | None = None
    hears_from: tuple[str, ...] | None = None


class RoomSeat:
    """What a call does in rooms: at most one at a time. Its recordings go on undisturbed."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._room: Room | None = None
        self._member: Member | None = None
        self._wanted: asyncio.Queue[TransferRequested] = asyncio.Queue()

    @property
    def room(self) -> Room | None:
        """The room that the caller is in."""
        return self._room

    @property
    def member(self) -> Member | None:
        """The caller's place in it."""
        return self._member

    async def join(self, name: str, rules: RoomRules, entry: Entry | None = None) -> Out:
        """Come into the room ``name`` (made by ``rules`` if nobody is in it) and stay until something ends
        it. Raises ``CallGone`` once the caller has gone.
        """
        call, entry = self._call, entry or Entry()
        call.line.check()
        room = call.services.rooms.open(call.services, name, rules, call.line.channel.rate)
        refused = room.refuses(entry.moderator)
        if refused is not None:
            return refused
        member = Member(
            call.leg,
            call.id,
            entry.moderator,
            entry.muted,
            entry.deaf,
            entry.speaks_to,
            entry.hears_from,
            entry.ends,
            entry.hold,
        )
        self._room, self._member = room, member
        call.line.on_reseat.append(self._reseated)
        call.line.leg.listener = self._hear
        try:
            room.enter(member)
            room.say(entry.joins if member.inside else ())
            if len(room.members) == 1 and member.inside:
                room.tell(member, entry.sounds.get("alone", ()))
            return await call.line.guard(self._stay(room, member, entry))
        finally:
            call.line.on_reseat.remove(self._reseated)
            room.leave(member)
            room.say(entry.leaves if room.members else ())
            self._room = self._member = None
            call.line.listen()

    async def _stay(self, room: Room, member: Member, entry: Entry) -> Out:
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._press_keys(room, member, entry), self._let_others_sit())
        ]
        try:
            return await member.out
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ---- keys --------------------------------------------------------------------------------

    async def _press_keys(self, room: Room, member: Member, entry: Entry) -> None:
        pressed = ""
        with suppress(CallGone):
            while True:
                waits = any(key != pressed and key.startswith(pressed) for key in entry.keys) and pressed
                digit = await self._call.listening.next_digit(KEY_GAP_S if waits else None)
                pressed, keys = read_keys(pressed, digit, entry.keys)
                for key in keys:
                    self._do(entry.keys[key], room, member, entry)

    def _do(self, action: str, room: Room, member: Member, entry: Entry) -> None:
        muted, deaf = member.muted, member.deaf
        match action:
            case "mute":
                muted = not muted
            case "mute on" | "mute off":
                muted = action == "mute on"
            case "deaf":
                deaf = not deaf
            case "deaf on" | "deaf off":
                deaf = action == "deaf on"
            case "deaf mute":
                muted = deaf = not deaf
            case "lock":
                if member.moderator:
                    room.lock(member, not room.locked)
                return
            case "hangup":
                room.leave(member, Out.KEY)
                return
        if (muted, deaf) == (member.muted, member.deaf):
            return
        if deaf != member.deaf:
            sound = "deaf" if deaf else "undeaf"
        else:
            sound = "muted" if muted else "unmuted"
        room.change(member, muted=muted, deaf=deaf)
        room.tell(member, entry.sounds.get(sound, ()))

    # ---- what happens on the line ------------------------------------------------------------

    def _hear(self, leg: Leg, event: ChannelEvent) -> None:
        """The line's events: as the line itself, but for an attended transfer."""
        call = self._call
        if leg is not call.line.leg:
            return
        if isinstance(event, Ended):
            call.line.lose(event)
        elif isinstance(event, Held):
            call.services.media.send(Hold(leg.name, event.held))
        elif isinstance(event, TransferRequested) and event.consult:
            self._wanted.put_nowait(event)
        elif isinstance(event, TransferRequested):
            call.notice(
                "warning",
                "CF-RUN-TRANSFER",
                f"a transfer to {event.target} was asked for in a room: nobody can transfer all its members",
                "Talk to the target first: an attended transfer brings it into the room.",
            )

    async def _let_others_sit(self) -> None:
        """Who is in the room transfers it to the party of another call of theirs: that one takes the seat."""
        call = self._call
        while True:
            wanted = await self._wanted.get()
            other = call.services.calls.find(wanted.consult)
            leg = None if other is None or other is call else await other.bridging.give_up(wanted.consult)
            if leg is not None:
                call.services.bus.publish(
                    CallTransferred(
                        time=call.services.clock.now(),
                        call_id=call.id,
                        leg=call.leg,
                        kept=leg.name,
                        target=wanted.target,
                        kind=wanted.kind,
                    )
                )
                await call.bridging.seat(leg, REPLACED)

    def _reseated(self) -> None:
        """Another party is on the line: it sits in the room now."""
        if self._room is not None and self._member is not None:
            self._room.moved(self._member, self._call.leg)
        self._call.line.leg.listener = self._hear


def read_keys(pressed: str, digit: str | None, keys: Mapping[str, str]) -> tuple[str, list[str]]:
    """What ``digit`` makes of the digits ``pressed`` so far (None: no more has come in time): those still to
    be kept, and the keys that are complete. The longest key wins; a digit that begins none is dropped.
    """
    rest, found = pressed + (digit or ""), list[str]()
    while rest:
        longer = any(key != rest and key.startswith(rest) for key in keys)
        if longer and digit is not None:
            break
        size = next((n for n in range(len(rest), 0, -1) if rest[:n] in keys), 0)
        if size:
            found.append(rest[:size])
        rest = rest[size or 1 :]
    return rest, found
