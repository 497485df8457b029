"""Layer 6: the leg that a request names by its UUID, and what is done to it from outside."""

from __future__ import annotations

from dataclasses import dataclass

from callflow.channels.channel import Channel
from callflow.engine.call import Call
from callflow.errors import ApiError
from callflow.media.messages import Muffle
from callflow.ncco.session import Session
from callflow.server.parts import Parts
from callflow.server.vonage.door import Guest


@dataclass(frozen=True, slots=True)
class Reached:
    """A leg that is up. ``first``: the one whose call this is, which the script runs on; else a callee of
    ``connect``. ``leg``: its name in media commands.
    """

    session: Session
    uuid: str
    leg: str
    channel: Channel

    @property
    def call(self) -> Call:
        """The call that it is of."""
        return self.session.call

    @property
    def first(self) -> bool:
        """The script runs on it."""
        return self.uuid == self.session.uuid

    def answered(self) -> Reached:
        """Itself. Raises ApiError 400 while nobody has answered: there is nobody to do it to."""
        if not self.channel.answered:
            raise ApiError(
                400, "not answered", {"uuid": {"state": {"message": "the call is not answered yet"}}}
            )
        return self


def reach(parts: Parts, guest: Guest, uuid: str) -> Reached:
    """The guest's leg. Raises ApiError 404 if there is none, or it is over."""
    session = parts.engine.scripts.sessions.find(uuid)
    if session is None or session.call.gone or not owns(guest, session):
        raise ApiError(404, "there is no such call")
    call = session.call
    if session.uuid == uuid:
        return Reached(session, uuid, call.leg, call.line.channel)
    peer = call.bridging.peer
    member = next((each for each in session.conversation.members if each.uuid == uuid), None)
    if peer is None or member is None or peer.name != member.leg:
        raise ApiError(404, "there is no such call")
    return Reached(session, uuid, peer.name, peer.channel)


def owns(guest: Guest, session: Session) -> bool:
    """Is that call of the guest's application?"""
    return guest.owns(session.call.account.id, session.application.id)


async def hang_up(reached: Reached) -> None:
    """End that leg, also one that rings."""
    if not reached.first:
        await reached.channel.hangup("NORMAL_CLEARING")
    elif reached.call.answered:
        await reached.call.hangup()
    else:
        outbound = reached.session.direction == "outbound"
        await reached.call.hangup("ORIGINATOR_CANCEL" if outbound else "CALL_REJECTED")


def muffle(reached: Reached, *, muted: bool | None = None, deaf: bool | None = None) -> None:
    """Let it be (not) heard by the others and in recordings, or hear (or not hear) them; None: as before."""
    session, uuid = reached.session, reached.uuid
    for marked, wanted in ((session.muted, muted), (session.earmuffed, deaf)):
        if wanted is not None:
            (marked.add if wanted else marked.discard)(uuid)
    is_muted, is_deaf = uuid in session.muted, uuid in session.earmuffed
    reached.call.services.media.send(Muffle(reached.leg, is_muted, is_deaf))
    room, member = reached.call.rooms.room, reached.call.rooms.member
    if reached.first and room is not None and member is not None:
        room.change(member, muted=is_muted, deaf=is_deaf)
    for recording in (*session.recordings, session.conversation.recording):
        if recording is not None and not recording.over:
            recording.mute(reached.leg, is_muted)
