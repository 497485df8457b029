"""Layer 6: ``PUT /v1/conversations/ID/record``: begin and end a recording (ncco.md 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from callflow.errors import ApiError, CallGone
from callflow.ncco.application import Webhook
from callflow.ncco.channels import MAX_CHANNELS
from callflow.ncco.named import NamedConversation
from callflow.ncco.recording import ConversationRecording, Wanted, start_recording
from callflow.ncco.session import Session
from callflow.server.parts import Parts
from callflow.server.vonage import bodies
from callflow.server.vonage.answers import Form, nothing
from callflow.server.vonage.bodies import wrong
from callflow.server.vonage.door import Guest, guarded
from callflow.server.vonage.reaching import owns

ORIGIN = "ncco REST"
FORMATS = ("mp3", "wav", "ogg")
_TRANSCRIPTION = {
    "language": "language",
    "event_url": "eventUrl",
    "event_method": "eventMethod",
    "sentiment_analysis": "sentimentAnalysis",
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """It."""

    async def record(request: web.Request, guest: Guest) -> web.StreamResponse:
        body = await bodies.read_object(request)
        action = bodies.text(body, "action", of=("start", "stop"))
        if not action:
            raise wrong("action", "must be start or stop")
        session, named = _conversation(parts, guest, request.match_info["conversation_id"])
        running = session.conversation.recording
        if action == "stop":
            if running is None or running.over:
                raise wrong("action", "the conversation is not being recorded")
            running.stop()
        elif running is not None and not running.over:
            raise wrong("action", "the conversation is being recorded already")
        elif await _start(session, named, read_wanted(body, session.application.event)) is None:
            raise wrong("action", "the conversation cannot be recorded")
        return nothing(request)

    path = "/v1/conversations/{conversation_id}/record"
    return [web.put(path, guarded(parts, record, Form.CONVERSATION))]


def read_wanted(body: Mapping[str, Any], usual: Webhook | None) -> Wanted:
    """What a body asks for; ``usual``: who is told if it does not say. Raises ApiError 400."""
    channels = body.get("channels")
    transcription = body.get("transcription")
    if transcription is not None and not isinstance(transcription, dict):
        raise wrong("transcription", "must be an object")
    bodies.text(body, "split", of=("conversation",))
    split = body.get("split") != "" and (channels is None or bodies.whole(body, "channels", 2, 1, 32) > 1)
    return Wanted(
        format=bodies.text(body, "format", of=FORMATS),
        split=split,
        channels=None if channels is None else bodies.whole(body, "channels", 2, 1, MAX_CHANNELS),
        time_out_s=bodies.whole(body, "time_out", 0, 0, 7200),
        webhook=bodies.webhook(body, "event") or usual,
        transcription=None if transcription is None else _transcription(transcription),
    )


def _transcription(said: Mapping[str, Any]) -> dict[str, Any]:
    """In the keys of a script's."""
    bodies.webhook(said, "event")
    return {_TRANSCRIPTION[key]: value for key, value in said.items() if key in _TRANSCRIPTION}


def _conversation(parts: Parts, guest: Guest, uuid: str) -> tuple[Session, NamedConversation | None]:
    """A call that is in the guest's conversation, and the conversation, if it has a name. Raises ApiError
    404.
    """
    sessions = parts.engine.scripts.sessions
    for session in sessions.of_conversation(uuid):
        if owns(guest, session) and session.call.answered and not session.call.gone:
            return session, sessions.named.of_conversation(uuid)
    raise ApiError(404, "there is no such conversation")


async def _start(
    session: Session, named: NamedConversation | None, wanted: Wanted
) -> ConversationRecording | None:
    try:
        if named is not None:
            return await named.record(session, wanted, origin=ORIGIN)
        return await start_recording(session, wanted, origin=ORIGIN)
    except CallGone:
        raise ApiError(404, "there is no such conversation") from None
