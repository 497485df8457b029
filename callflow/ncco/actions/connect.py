"""Layer 4, action ``connect``: calls a party, who talks with the caller (ncco.md 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import BridgeResult, Call
from callflow.errors import CallflowError, CallGone, MissingDocument
from callflow.media.messages import Clip
from callflow.ncco import events
from callflow.ncco.calling import groups_of, name_of, shown
from callflow.ncco.moves import Left, Move, Next, Replace
from callflow.ncco.outgoing import NO_WAY, OutgoingLeg
from callflow.ncco.session import Session
from callflow.ncco.webleg import tell_disconnected
from callflow.ncco.whisper import whisper


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Ring the endpoint; come back when the talk is over, or when nobody answers. With ``eventType``
    synchronous the event of a call that was not answered may give another script.
    """
    endpoint = data["endpoint"][0]
    kind = str(endpoint["type"])
    _warn(data, call)
    webhook = session.webhook(data)
    caller = shown(data, call, session)
    leg = OutgoingLeg(session, webhook, kind, caller.from_number, name_of(endpoint))
    result = await _ring(data, endpoint, leg, call, session)
    if result.transferred:
        return Left(did="was transferred")
    if result.answered:
        did = f"talked to {kind} {leg.party.to_number}"
        if kind == "websocket" and not leg.ended_here:
            script = await tell_disconnected(leg.party, endpoint, session, webhook)
            if script is not None:
                return Replace(script=script, did=f"{did}; was given another script")
        return Next(did=did)
    body = events.not_answered(leg.party, result.cause, result.code, session.wall)
    did = f"{kind} {leg.party.to_number}: {body['status']} ({result.cause})"
    if data.get("eventType") != "synchronous" or webhook is None:
        await session.tell_state(body, webhook)
        return Next(did=did)
    script = await session.ask(body, webhook)
    return Next(did=did) if script is None else Replace(script=script, did=f"{did}; was given another script")


async def _ring(
    data: Mapping[str, Any], endpoint: Mapping[str, Any], leg: OutgoingLeg, call: Call, session: Session
) -> BridgeResult:
    try:
        groups = groups_of(endpoint, shown(data, call, session), call, session.application)
    except MissingDocument as error:
        await session.report(str(error), error.hint)
        return NO_WAY
    if not groups:
        await session.report(
            f"nobody can be rung for {endpoint['type']} {leg.party.to_number}",
            "A number needs a resource of the account that takes it; an app user or extension needs a phone.",
        )
        return NO_WAY
    first = endpoint.get("onAnswer")
    remove = whisper(str(first["url"]), call, session) if isinstance(first, Mapping) else None
    try:
        return await leg.ring(
            groups,
            timeout_s=float(data["timeout"]),
            limit_s=float(data["limit"]),
            ringback=await _ringback(data, call),
            digits=str(endpoint.get("dtmfAnswer") or ""),
        )
    finally:
        if remove is not None:
            remove()


async def _ringback(data: Mapping[str, Any], call: Call) -> Clip | None:
    """``ringbackTone``; one that cannot be had is a notice, and the usual tone."""
    urls = data.get("ringbackTone")
    if not urls:
        return None
    try:
        return (await call.clips_for(urls[0]))[0]
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("warning", error.code, f"connect: the usual ringback is heard: {error}", error.hint)
        return None


def _warn(data: Mapping[str, Any], call: Call) -> None:
    if data.get("machineDetection") or data.get("advancedMachineDetection"):
        call.notice(
            "warning",
            "CF-RUN-NCCO-MACHINE",
            "connect: nothing here listens for answering machines: whoever answers is connected",
            "Take machineDetection out, or let people press a key.",
        )
