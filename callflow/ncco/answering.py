"""Layer 4: the first script of a call: the application's answer url is asked for it (ncco.md 3.1, 3.7)."""

from __future__ import annotations

from typing import Any

from callflow.errors import NoScript
from callflow.ncco import events
from callflow.ncco.asking import Question, ask
from callflow.ncco.script import Script
from callflow.ncco.session import Session


def answer_body(session: Session) -> dict[str, Any]:
    """What the answer url is told."""
    party = session.call.party
    return {
        "to": party.to_number,
        "from": party.from_number,
        "uuid": session.uuid,
        "conversation_uuid": session.conversation_uuid,
        "endpoint_type": session.endpoint,
    }


async def first_script(session: Session) -> Script | None:
    """The script for the call; None: nobody gives one, which an error event and a notice say. Raises
    CallGone.
    """
    application = session.application
    if application.answer is None:
        reason = "the application has no answer_url"
    else:
        question = Question("answer", application.answer, answer_body(session))
        try:
            return await ask(question, session.call, application)
        except NoScript as error:
            reason = error.message
    session.call.notice(
        "error",
        "CF-RUN-NCCO-ANSWER",
        f"application {application.id}: no NCCO for the call: {reason}: the call ends",
        "The answer url must answer 2xx with an NCCO, in time; else fallback_answer_url is asked.",
    )
    await session.send(events.error(reason, session.conversation_uuid, session.wall))
    return None
