"""Layer 6: ``PUT /v1/calls/ID``: hang up, mute, earmuff, transfer (ncco.md 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from callflow.errors import CallGone, NoScript
from callflow.ncco import events
from callflow.ncco.answering import answer_body
from callflow.ncco.application import Webhook
from callflow.ncco.asking import Question, ask
from callflow.ncco.moves import Replace
from callflow.ncco.script import Script
from callflow.ncco.session import Conversation, Session
from callflow.ncco.uuids import conversation_uuid
from callflow.server.parts import Parts
from callflow.server.vonage import bodies
from callflow.server.vonage.answers import nothing
from callflow.server.vonage.bodies import wrong
from callflow.server.vonage.door import Guest, guarded
from callflow.server.vonage.reaching import Reached, hang_up, muffle, reach

ACTIONS = ("hangup", "mute", "unmute", "earmuff", "unearmuff", "transfer")


def routes(parts: Parts) -> list[web.RouteDef]:
    """It."""

    async def change(request: web.Request, guest: Guest) -> web.StreamResponse:
        body = await bodies.read_object(request)
        action = bodies.text(body, "action", of=ACTIONS)
        reached = reach(parts, guest, request.match_info["uuid"])
        match action:
            case "hangup":
                await hang_up(reached)
            case "mute" | "unmute":
                muffle(reached.answered(), muted=action == "mute")
            case "earmuff" | "unearmuff":
                muffle(reached.answered(), deaf=action == "earmuff")
            case "transfer":
                transfer(reached.answered(), body.get("destination"))
            case _:
                raise wrong("action", f"must be one of {', '.join(ACTIONS)}")
        return nothing(request)

    return [web.put("/v1/calls/{uuid}", guarded(parts, change))]


def transfer(reached: Reached, destination: object) -> None:
    """Let the leg go on with another script: at once, or once its url has given it. Raises ApiError 400."""
    found = _destination(destination)
    if not reached.first:
        raise wrong("uuid", "connect has called this leg: transfer its caller, or hang up")
    session = reached.session
    if isinstance(found, Script):
        _go_on(session, found)
    else:
        session.call.spawn(_fetch(session, found))


def _destination(value: object) -> Script | Webhook:
    if not isinstance(value, Mapping) or value.get("type", "ncco") != "ncco":
        raise wrong("destination", 'must be {"type": "ncco"} with "ncco": [...] or "url": ["..."]')
    destination: Mapping[str, Any] = value
    if "ncco" in destination:
        return bodies.script(destination["ncco"], "destination", "PUT /v1/calls")
    url = bodies.url(destination, "url")
    if not url:
        raise wrong("destination", "must have ncco or url")
    return Webhook(url, "GET")


async def _fetch(session: Session, webhook: Webhook) -> None:
    try:
        script = await ask(
            Question("answer", webhook, answer_body(session)), session.call, session.application
        )
    except NoScript as error:
        await session.report(f"transfer: the url gives no NCCO: {error.message}: the call goes on as it was")
    except CallGone:
        return
    else:
        if script is not None and not session.call.gone:
            _go_on(session, script)


def _go_on(session: Session, script: Script) -> None:
    """The leg leaves its conversation, whose recording ends unless others are in it, for one of its own."""
    former, call = session.conversation, session.call
    named = session.sessions.named.of_conversation(former.uuid)
    if named is None and former.recording is not None:
        former.recording.stop("transferred")
    session.conversation = Conversation(conversation_uuid(call.services.ids))
    session.conversation.join(session.member)
    told = events.transferred(session.uuid, former.uuid, session.conversation.uuid, session.wall)
    call.spawn(session.send(told))
    session.interrupt(Replace(script=script))
