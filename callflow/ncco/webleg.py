"""Layer 4: ``connect`` to a WebSocket server (ncco.md 2.2): whom to ring, and what is told when it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.channels.channel import DialTarget, Party
from callflow.channels.websocket.dialer import KIND
from callflow.delivery.signing import sign
from callflow.engine.call import Call
from callflow.ncco import events
from callflow.ncco.application import Application, Webhook
from callflow.ncco.script import Script
from callflow.ncco.session import Session
from callflow.ncco.uuids import new_uuid


def web_target(
    endpoint: Mapping[str, Any], caller: Party, call: Call, application: Application | None
) -> DialTarget:
    """The endpoint as a target. Names of secrets stand for nothing here: web servers write NCCOs."""
    own = endpoint.get("headers")
    document = {
        "content-type": str(endpoint.get("content-type") or ""),
        "headers": dict(own) if isinstance(own, Mapping) else {},
    }
    token = _authorization(endpoint, call, application)
    headers = {"Authorization": token} if token else {}
    return DialTarget(KIND, str(endpoint["uri"]), document, headers=headers, caller=caller)


def _authorization(endpoint: Mapping[str, Any], call: Call, application: Application | None) -> str:
    """What the opening handshake shows: the document's own value, or a token as webhooks have (with the hash
    of no body); empty: nothing.
    """
    wanted = endpoint.get("authorization")
    if not isinstance(wanted, Mapping):
        return ""
    if wanted.get("type") != "vonage":
        return str(wanted.get("value") or "")
    if application is None or not application.signature_secret:
        call.notice(
            "error",
            "CF-RUN-NCCO",
            "connect: the WebSocket server gets no token: the application has no signature_secret",
            "Write one in the application's document, or authorization of the type custom.",
        )
        return ""
    services = call.services
    token = sign(
        b"",
        application.signature_secret,
        jti=new_uuid(services.ids),
        now=services.clock.wall(),
        api_key=application.api_key,
        application_id=application.id,
    )
    return f"Bearer {token}"


async def tell_disconnected(
    party: events.Party, endpoint: Mapping[str, Any], session: Session, webhook: Webhook | None
) -> Script | None:
    """The server has closed the socket while the call goes on: the event's answer may be another script."""
    own = endpoint.get("headers")
    body = events.disconnected(party, own if isinstance(own, Mapping) else {}, session.wall)
    return await session.ask(body, webhook)
