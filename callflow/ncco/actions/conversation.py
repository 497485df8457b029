"""Layer 4: ``conversation``: the call comes into a named room of its application, and stays (ncco.md 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.rooms import Out
from callflow.engine.roomseat import Entry
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip
from callflow.ncco.moves import End, Move, Next
from callflow.ncco.named import MOST_MEMBERS, RULES, Attendee, NamedConversation
from callflow.ncco.recording import Wanted
from callflow.ncco.session import Session


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Come in and stay until the call, or the conversation, has ended."""
    await call.answer()
    name = str(data["name"])
    named = session.sessions.named.get(session, name)
    muted = bool(data.get("mute"))
    can_speak, can_hear = uuids(data.get("canSpeak")), uuids(data.get("canHear"))
    if muted and can_speak is not None:
        await session.report("mute and canSpeak exclude each other: the leg is muted", "Write one of them.")
        can_speak = None
    muted = muted or session.uuid in session.muted
    hold = await _music(data, call)
    former = session.conversation
    wanted = Wanted.of(data, session.webhook(data)) if data.get("record") else None
    attendee = Attendee(session, can_speak, can_hear)
    named.attend(attendee, wanted)
    entry = Entry(
        moderator=data.get("startOnEnter", True) is not False,
        muted=muted,
        keys={},
        ends=bool(data.get("endOnExit")),
        hold=hold,
        speaks_to=named.legs_of(can_speak),
        hears_from=named.legs_of(can_hear),
    )
    out = await inside(named, session, entry)
    if not call.gone:
        session.conversation = former
    if out in (Out.FULL, Out.LOCKED):
        await session.report(f"conversation {name!r} has {MOST_MEMBERS} members: no one more comes in")
        return Next(did=f"could not come into conversation {name}: {out}")
    return End(did=f"was in conversation {name} until it ended")


async def inside(named: NamedConversation, session: Session, entry: Entry) -> Out:
    """From the way in to the way out. Raises ``CallGone``."""
    call, former = session.call, session.conversation
    session.conversation = named.conversation
    try:
        if former.recording is not None and not former.recording.over:
            former.recording.follow(named.conversation)  # it goes on, and hears who is there
            former.recording.mute(call.leg, entry.muted)
        named.conversation.join(session.member)
        named.reach()
        return await call.rooms.join(named.room_name, RULES, entry)
    finally:
        named.leave(session)


async def _music(data: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    """What is heard while the conversation is waited for; what cannot be had is a notice and silence."""
    urls = data.get("musicOnHoldUrl")
    url = urls[0] if isinstance(urls, list) and urls else urls
    if not isinstance(url, str) or not url:
        return ()
    try:
        return await call.clips_for(url)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("warning", error.code, f"no music on hold: {error}", error.hint)
        return ()


def uuids(value: object) -> tuple[str, ...] | None:
    return tuple(str(each) for each in value) if isinstance(value, list) else None
