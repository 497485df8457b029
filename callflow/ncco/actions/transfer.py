"""Layer 4, action ``transfer``: the call goes into a named conversation, by its ``CON-...`` (ncco.md 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.rooms import Out
from callflow.engine.roomseat import Entry
from callflow.ncco import events
from callflow.ncco.actions.conversation import inside, uuids
from callflow.ncco.moves import End, Move, Next
from callflow.ncco.named import Attendee, NamedConversation
from callflow.ncco.session import Session


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Go there and stay until the call, or that conversation, has ended. A conversation that nobody has named
    here cannot be joined: an error event, and the next action.
    """
    wanted = str(data["conversationId"])
    named = _named(wanted, session)
    if named is None:
        await session.report(
            f"there is no named conversation {wanted}",
            "Only conversations that an action conversation has named can be joined by transfer.",
        )
        return Next(did=f"could not go to {wanted}")
    await call.answer()
    moved = events.transferred(session.uuid, session.conversation_uuid, wanted, session.wall)
    await session.send(moved)
    can_speak, can_hear = uuids(data.get("canSpeak")), uuids(data.get("canHear"))
    named.attend(Attendee(session, can_speak, can_hear), None)
    entry = Entry(
        muted=bool(data["mute"]) or session.uuid in session.muted,
        keys={},
        speaks_to=named.legs_of(can_speak),
        hears_from=named.legs_of(can_hear),
    )
    out = await inside(named, session, entry)
    if out in (Out.FULL, Out.LOCKED):
        await session.report(f"conversation {wanted} takes nobody any more")
        return Next(did=f"could not go to {wanted}: {out}")
    return End(did=f"was in {wanted} until it ended")


def _named(uuid: str, session: Session) -> NamedConversation | None:
    """The application's conversation of that name which somebody is in."""
    owner = (session.call.account.id, session.application.id)
    for (account, application, _), named in session.sessions.named.all().items():
        if named.conversation.uuid == uuid and (account, application) == owner and not named.empty:
            return named
    return None
