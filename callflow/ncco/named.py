"""Layer 4: named conversations: the rooms of an application, each with its uuid and its recording.

A room (``engine/rooms.py``) is there from its first member to its last; the name keeps its conversation uuid
beyond that. Here is what only NCCO wants of it: who is heard by whom by leg uuid, and the recording, which
starts with the first attendee, or with the moderator where one is waited for, and ends with the last leg.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callflow.engine.rooms import Member as Seat
from callflow.engine.rooms import Room, RoomRules
from callflow.errors import CallGone
from callflow.ncco.recording import ConversationRecording, Wanted, start_recording
from callflow.ncco.uuids import conversation_uuid

if TYPE_CHECKING:
    from callflow.ncco.session import Conversation, Session

MOST_MEMBERS = 50
"""Legs in one conversation (ncco.md 2.1)."""
MOST_NAMES = 10_000
"""So many names keep their uuid; then the oldest of those that nobody is in is forgotten."""
RULES = RoomRules(most=MOST_MEMBERS, wait=True, alone=False)
"""It begins with the first who has ``startOnEnter``; the others wait, with their music."""

Uuids = tuple[str, ...] | None
"""Leg uuids that hear, or are heard; None: all."""


@dataclass(frozen=True, slots=True)
class Attendee:
    """A call's part in it. ``can_speak``, ``can_hear``: as written."""

    session: Session
    can_speak: Uuids = None
    can_hear: Uuids = None


class NamedConversation:
    """One name of one application."""

    def __init__(self, conversation: Conversation, room_name: str) -> None:
        self.conversation = conversation
        self.room_name = room_name
        self.room: Room | None = None
        self._wanted: Wanted | None = None
        self._starting = False
        self._attendees: dict[str, Attendee] = {}  # by leg uuid
        self._seats: dict[Seat, str] = {}  # the legs that the recording knows

    @property
    def empty(self) -> bool:
        """Nobody is in it."""
        return not self._attendees

    def attend(self, attendee: Attendee, wanted: Wanted | None) -> None:
        """A call is about to come into the room. ``wanted``: it wants it recorded."""
        call = attendee.session.call
        room = call.services.rooms.open(call.services, self.room_name, RULES, call.line.channel.rate)
        if room is not self.room:
            self.room = room
            self._seats.clear()
            room.on_change.append(self._changed)
        self._attendees[attendee.session.uuid] = attendee
        if wanted is not None and self._wanted is None and self.recording is None:
            self._wanted = wanted

    def leave(self, session: Session) -> None:
        """That call is in it no more."""
        self._attendees.pop(session.uuid, None)
        members = self.conversation.members
        members[:] = [each for each in members if each.uuid != session.uuid]
        if self.empty:
            self._wanted = None
            if self.recording is not None:
                self.recording.stop("hangup")

    def legs_of(self, uuids: Uuids) -> tuple[str, ...] | None:
        """Leg uuids as legs; those that are not there yet are in no room."""
        if uuids is None:
            return None
        here = {each.uuid: each.leg for each in self.conversation.members}
        return tuple(here[uuid] for uuid in uuids if uuid in here)

    @property
    def recording(self) -> ConversationRecording | None:
        """The one that runs."""
        found = self.conversation.recording
        return None if found is None or found.over else found

    # ---- what happens in the room --------------------------------------------------------------

    def _changed(self) -> None:
        room = self.room
        if room is None:
            return
        self._seat_recording(room)
        if not room.members and self.recording is not None:
            self.recording.stop("hangup")
        if self._wanted is not None and room.begun and room.members and not self._starting:
            recorded = self.conversation.recording
            if recorded is None or recorded.over:
                self._begin(self._wanted)

    def _seat_recording(self, room: Room) -> None:
        """Let the recording know who has come, gone, or was muted."""
        recording, seats = self.recording, self._seats
        for seat in [each for each in seats if each not in room.members]:
            leg = seats.pop(seat)
            if recording is not None:
                recording.leave(leg)
        for seat in room.members:
            former = seats.get(seat)
            seats[seat] = seat.leg
            if recording is None:
                continue
            if former is None:
                recording.join(seat.leg)
            elif former != seat.leg:
                recording.replaced(former, seat.leg)
            recording.mute(seat.leg, _unheard(seat))

    def _begin(self, wanted: Wanted) -> None:
        self._starting = True
        session = next(iter(self._attendees.values())).session
        session.call.spawn(self._start(wanted))

    async def _start(self, wanted: Wanted) -> None:
        """Start it in the name of one who is there; if that one leaves meanwhile, of another."""
        try:
            for attendee in tuple(self._attendees.values()):
                room = self.room
                if room is None or not room.members:
                    return
                try:
                    await self.record(attendee.session, wanted, origin="ncco conversation")
                except CallGone:
                    continue
                self._wanted = None
                return
        finally:
            self._starting = False

    async def record(self, session: Session, wanted: Wanted, *, origin: str) -> ConversationRecording | None:
        """Record it from now on to its end, or a ``stop``; ``session``: the call of one who is in it. Gives
        None if it is being recorded already, or cannot be. Raises ``CallGone``.
        """
        room = self.room
        legs = [] if room is None else [seat.leg for seat in room.members]
        recording = await start_recording(session, wanted, origin=origin, room=legs)
        if recording is not None:
            self._catch_up(recording)
        return recording

    def _catch_up(self, recording: ConversationRecording) -> None:
        """What has changed while it was being started."""
        room = self.room
        if self.empty or room is None or not room.members:
            recording.stop("hangup")
            return
        for seat in room.members:
            self._seats[seat] = seat.leg
            recording.join(seat.leg)
            recording.mute(seat.leg, _unheard(seat))

    def reach(self) -> None:
        """Somebody has come: those who are named by uuid are legs now."""
        room = self.room
        for session_uuid, attendee in tuple(self._attendees.items()):
            if attendee.can_speak is None and attendee.can_hear is None:
                continue
            seat = None if room is None else room.member(attendee.session.call.leg)
            if room is None or seat is None:
                continue
            to, heard = self.legs_of(attendee.can_speak), self.legs_of(attendee.can_hear)
            if (to, heard) != (seat.speaks_to, seat.hears_from) and session_uuid in self._attendees:
                room.change(seat, speaks_to=to, hears_from=heard)


def _unheard(seat: Seat) -> bool:
    """Nobody hears it: it is not recorded either."""
    return seat.muted or seat.speaks_to == ()


class NamedConversations:
    """All of an engine, by application and name. ``make``: a conversation of that uuid."""

    def __init__(self, make: Callable[[str], Conversation]) -> None:
        self._make = make
        self._found: dict[tuple[str, str, str], NamedConversation] = {}

    def get(self, session: Session, name: str) -> NamedConversation:
        """The application's conversation of that name; the same one each time."""
        application, account = session.application.id, session.call.account.id
        key = (account, application, name)
        found = self._found.get(key)
        if found is None:
            self._forget_oldest()
            conversation = self._make(conversation_uuid(session.call.services.ids))
            found = NamedConversation(conversation, f"conversation {application}/{name}")
            self._found[key] = found
        return found

    def of_conversation(self, uuid: str) -> NamedConversation | None:
        """The one with that conversation uuid."""
        return next((each for each in self._found.values() if each.conversation.uuid == uuid), None)

    def all(self) -> Mapping[tuple[str, str, str], NamedConversation]:
        """Every one, by account, application and name."""
        return self._found

    def _forget_oldest(self) -> None:
        if len(self._found) < MOST_NAMES:
            return
        for key, each in tuple(self._found.items()):
            if each.empty:
                del self._found[key]
                return
