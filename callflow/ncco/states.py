"""Layer 4: tells the application each state of the call's first leg (ncco.md 3.2)."""

from __future__ import annotations

from typing import Any

from callflow.channels.channel import CAUSE_CODES
from callflow.events import CallAnswered, CallEnded, Event
from callflow.ncco import events
from callflow.ncco.session import Session


class LegStates:
    """Watches one call from its begin to its end. What it tells goes out in order."""

    def __init__(self, session: Session) -> None:
        self._session = session
        call = session.call
        self._answered_at: float | None = None
        self._leave = call.services.bus.subscribe(self._hear, call_id=call.id)

    async def begin(self) -> None:
        """The call has come in."""
        session = self._session
        for status in ("started", "ringing"):
            await session.tell_state(events.call_state(session.party, status, session.wall))

    def close(self) -> None:
        """Nothing more is told."""
        self._leave()

    def _hear(self, event: Event) -> None:
        session = self._session
        body: dict[str, Any] | None = None
        if isinstance(event, CallAnswered):
            self._answered_at = session.wall
            body = events.answered(session.party, session.wall)
        elif isinstance(event, CallEnded):
            body = self._ended(event)
        if body is not None:
            session.call.spawn(session.tell_state(body))

    def _ended(self, event: CallEnded) -> dict[str, Any]:
        session = self._session
        code = CAUSE_CODES.get(event.cause, 0)
        if self._answered_at is None and session.direction == "outbound":
            ended = session.call.line.ended
            return events.not_answered(
                session.party, event.cause, ended.code if ended else code, session.wall
            )
        if self._answered_at is None and event.by == "party":
            return events.not_answered(session.party, "ORIGINATOR_CANCEL", 0, session.wall)
        return events.completed(
            session.party,
            session.wall,
            start=self._answered_at,
            end=session.wall,
            by_platform=event.by != "party",
            sip_code=code,
        )
