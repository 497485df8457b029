"""Layer 3: rooms: what many legs of an account have together: who is in, who may speak, what all hear.

A room is there from its first member to its last. It knows legs, not calls: members may be callers
(``roomseat.RoomSeat``, ``call.rooms``) or phones that a call has rung (a page). Nothing here waits.

    WAITING --a moderator comes--> INSIDE --> left
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from callflow.events import RoomChanged, RoomJoined, RoomLeft
from callflow.media.messages import (
    AddLeg,
    Clip,
    JoinRoom,
    LeaveRoom,
    Play,
    PretendSource,
    RemoveLeg,
    Say,
    SetMember,
    StopPlay,
)
from callflow.media.room_commands import MOST_MEMBERS

if TYPE_CHECKING:
    from callflow.engine.services import Services

OWN_LEGS = 2
"""Legs that a room may have for itself: what it says to all, and what it hears of all."""


class Out(StrEnum):
    """Why a member is in the room no more, or did not come in."""

    LEFT = "left"  # hung up, or went on elsewhere
    KEY = "key"  # pressed the key for it
    ENDED = "ended"  # the room has ended with its last moderator
    REMOVED = "removed"  # somebody put it out
    FULL = "full"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class RoomRules:
    """What a room is like. ``most``: members at once (0: as many as media can). ``wait``: members hear
    ``music`` (``alone``: so does who is alone), and nobody, until the first moderator comes. ``end``: all
    leave with the last moderator. ``entry`` and ``exit``: what all hear when somebody comes or goes.
    """

    most: int = 0
    wait: bool = False
    end: bool = False
    entry: tuple[Clip, ...] = ()
    exit: tuple[Clip, ...] = ()
    music: tuple[Clip, ...] = ()
    alone: bool = True


@dataclass(eq=False, slots=True)
class Member:
    """A leg in a room. ``ends``: all leave with it. ``hold``: what it hears in place of the room's music.
    ``out``: done with the reason once it has been put out (or has left).
    """

    leg: str
    call_id: str
    moderator: bool = False
    muted: bool = False
    deaf: bool = False
    speaks_to: tuple[str, ...] | None = None
    hears_from: tuple[str, ...] | None = None
    ends: bool = False
    hold: tuple[Clip, ...] = ()
    inside: bool = False
    music: str = ""  # the playback, while it hears music
    out: asyncio.Future[Out] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class RoomTable:
    """The rooms of an engine's account, by name."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self.ears: dict[str, set[str]] = {}  # by the call that is listened to: the legs that do

    def find(self, name: str) -> Room | None:
        """The room, if anybody is in it."""
        return self._rooms.get(name)

    def open(self, services: Services, name: str, rules: RoomRules, rate: int) -> Room:
        """The room; made by these rules if nobody is in it."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(services, name, rules, rate)
        return room

    def forget(self, room: Room) -> None:
        """Nobody is in it any more."""
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]


class Room:
    """One room. ``media``: its name in media commands, used once."""

    def __init__(self, services: Services, name: str, rules: RoomRules, rate: int) -> None:
        self.name = name
        self.rules = rules
        self.rate = rate
        self.media = f"{name}/{services.ids.short()}"
        self.locked = False
        self.members: list[Member] = []
        self.on_change: list[Callable[[], None]] = []
        """Told when members, what they may do, or whether they hear each other has changed."""
        self._services = services
        self._begun = not rules.wait
        self._voice = self._ear = ""

    @property
    def begun(self) -> bool:
        """Members hear each other (a moderator has been there, or none is waited for)."""
        return self._begun

    @property
    def moderators(self) -> int:
        """How many of them are in."""
        return sum(member.moderator for member in self.members)

    def refuses(self, moderator: bool) -> Out | None:
        """Why one more cannot come in (``FULL``, ``LOCKED``); None: it can. A lock lets moderators in."""
        most = min(self.rules.most or MOST_MEMBERS, MOST_MEMBERS - OWN_LEGS)
        if len(self.members) >= most:
            return Out.FULL
        return Out.LOCKED if self.locked and not moderator else None

    def member(self, leg: str) -> Member | None:
        """The member with that leg."""
        return next((member for member in self.members if member.leg == leg), None)

    def listener(self) -> str:
        """A leg whose ``write`` is what all members say, for a recording of the room; there until its end."""
        if not self._ear:
            self._ear = self._own_leg(speaks=False, hears=True)
        return self._ear

    # ---- coming and going --------------------------------------------------------------------

    def enter(self, member: Member) -> None:
        """Somebody comes in; who is to ask ``refuses`` before."""
        self.members.append(member)
        if member.moderator:
            self._begun = True
        self._settle()
        self._changed()
        self._publish(
            RoomJoined(
                time=self._services.clock.now(),
                call_id=member.call_id,
                leg=member.leg,
                room=self.name,
                moderator=member.moderator,
                members=len(self.members),
            )
        )
        if member.inside:
            self.say(self.rules.entry)

    def leave(self, member: Member, why: Out = Out.LEFT) -> None:
        """Somebody has gone; the last one ends the room, and so does the last moderator if the rules say it.
        No fault if it has gone before.
        """
        if member not in self.members:
            return
        self.members.remove(member)
        self._stop_music(member)
        if member.inside:
            member.inside = False
            self._services.media.send(LeaveRoom(member.leg))
        self._changed()
        if not member.out.done():
            member.out.set_result(why)
        self._publish(
            RoomLeft(
                time=self._services.clock.now(),
                call_id=member.call_id,
                leg=member.leg,
                room=self.name,
                reason=str(why),
                members=len(self.members),
            )
        )
        if not self.members:
            self._close()
        elif member.ends or (self.rules.end and member.moderator and not self.moderators):
            for other in tuple(self.members):
                self.leave(other, Out.ENDED)
        else:
            self._settle()
            self.say(self.rules.exit)

    def moved(self, member: Member, leg: str) -> None:
        """Another leg sits in this member's place from now on."""
        if member in self.members and member.leg != leg:
            self._stop_music(member)
            if member.inside:
                self._services.media.send(LeaveRoom(member.leg))
            member.leg, member.inside = leg, False
            self._settle()
            self._changed()

    # ---- what members may do -----------------------------------------------------------------

    def change(
        self,
        member: Member,
        *,
        muted: bool | None = None,
        deaf: bool | None = None,
        speaks_to: Sequence[str] | None = None,
        hears_from: Sequence[str] | None = None,
    ) -> None:
        """What a member may do from now on; None: as before. The last two are as in ``JoinRoom``."""
        member.muted = member.muted if muted is None else muted
        member.deaf = member.deaf if deaf is None else deaf
        member.speaks_to = member.speaks_to if speaks_to is None else tuple(speaks_to)
        member.hears_from = member.hears_from if hears_from is None else tuple(hears_from)
        self._changed()
        if member.inside:
            self._services.media.send(
                SetMember(member.leg, not member.muted, not member.deaf, member.speaks_to, member.hears_from)
            )
        self._publish(
            RoomChanged(
                time=self._services.clock.now(),
                call_id=member.call_id,
                leg=member.leg,
                room=self.name,
                muted=member.muted,
                deaf=member.deaf,
                locked=self.locked,
            )
        )

    def lock(self, member: Member, locked: bool) -> None:
        """``member`` locks the door to new members, or opens it."""
        self.locked = locked
        self.change(member)

    # ---- what they hear ----------------------------------------------------------------------

    def say(self, clips: Sequence[Clip]) -> None:
        """All inside hear ``clips``, after what the room is still saying."""
        if clips:
            if not self._voice:
                self._voice = self._own_leg(speaks=True, hears=False)
            self._services.media.send(Say(self._voice, tuple(clips)))

    def tell(self, member: Member, clips: Sequence[Clip]) -> None:
        """One member hears ``clips``, and the others meanwhile."""
        if clips:
            playback = self._services.ids.short()
            self._services.media.send(Play(member.leg, playback, tuple(clips), mix=True))

    def _settle(self) -> None:
        """Who may hear the others does; who waits, or is alone, hears music."""
        for member in self.members:
            if self._begun and not member.inside:
                member.inside = True
                self._services.media.send(
                    JoinRoom(
                        member.leg,
                        self.media,
                        not member.muted,
                        not member.deaf,
                        member.speaks_to,
                        member.hears_from,
                    )
                )
            music = member.hold or self.rules.music
            if self._begun and (len(self.members) > 1 or not self.rules.alone):
                self._stop_music(member)
            elif music and not member.music:
                member.music = self._services.ids.short()
                self._services.media.send(Play(member.leg, member.music, music, loops=0))

    def _stop_music(self, member: Member) -> None:
        if member.music:
            self._services.media.send(StopPlay(member.leg, member.music))
            member.music = ""

    def _own_leg(self, *, speaks: bool, hears: bool) -> str:
        leg = f"{self.media}/{'voice' if speaks else 'ear'}"
        self._services.media.send(AddLeg(leg, self.rate, PretendSource()))
        self._services.media.send(JoinRoom(leg, self.media, speaks, hears))
        return leg

    def _close(self) -> None:
        for leg in (self._voice, self._ear):
            if leg:
                self._services.media.send(RemoveLeg(leg))
        self._voice = self._ear = ""
        self._services.rooms.forget(self)

    def _changed(self) -> None:
        for tell in tuple(self.on_change):
            tell()

    def _publish(self, event: RoomJoined | RoomLeft | RoomChanged) -> None:
        self._services.bus.publish(event)
