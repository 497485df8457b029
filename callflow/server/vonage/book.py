"""Layer 6: the calls of this process as ``/v1/calls`` tells of them: those that are up, and the latest that
are over. It lives as long as the process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from callflow.ncco.session import Session, Sessions

MOST_CALLS = 10_000
"""Legs that are kept; then the oldest that is over is forgotten."""
OVER = frozenset(
    {"completed", "busy", "cancelled", "failed", "rejected", "timeout", "unanswered", "disconnected"}
)
STATES = ("started", "ringing", "answered", "machine", "human", *sorted(OVER))
_KEPT = ("start_time", "end_time", "duration", "rate", "price")


@dataclass(slots=True)
class Leg:
    """One leg. ``frm`` and ``to``: endpoints; ``began_wall``: seconds since 1970. ``ended``: what is known
    only of one that was answered and is over.
    """

    uuid: str
    account_id: str
    application_id: str
    conversation_uuid: str
    frm: Mapping[str, str]
    to: Mapping[str, str]
    direction: str
    began_wall: float
    status: str
    ended: Mapping[str, str] | None = None

    @property
    def over(self) -> bool:
        """It is."""
        return self.status in OVER

    def shown(self) -> dict[str, Any]:
        """As Vonage tells of it (the call object of ncco.md 4.2)."""
        return {
            "_links": {"self": {"href": f"/v1/calls/{self.uuid}"}},
            "uuid": self.uuid,
            "conversation_uuid": self.conversation_uuid,
            "from": dict(self.frm),
            "to": dict(self.to),
            "status": self.status,
            "direction": self.direction,
            **(self.ended or {}),
        }


class Book:
    """Hears of each call state."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._legs: OrderedDict[str, Leg] = OrderedDict()
        sessions.on_event.append(self._hear)

    def add(self, session: Session) -> Leg:
        """A call that is about to go out: it is there before its first event."""
        party = session.party
        body = {
            "uuid": party.uuid,
            "from": party.from_number,
            "to": party.to_number,
            "direction": party.direction,
            "status": "started",
        }
        self._hear(session, body)
        return self._legs[party.uuid]

    def find(self, uuid: str) -> Leg | None:
        """That leg."""
        leg = self._legs.get(uuid)
        if leg is not None:
            self._move(leg)
        return leg

    def of(self, account_id: str, application_id: str) -> Iterator[Leg]:
        """An application's legs, the oldest first."""
        for leg in tuple(self._legs.values()):
            if (leg.account_id, leg.application_id) == (account_id, application_id):
                self._move(leg)
                yield leg

    def _move(self, leg: Leg) -> None:
        """A leg that is up may have gone to another conversation."""
        session = None if leg.over else self._sessions.find(leg.uuid)
        if session is not None:
            leg.conversation_uuid = session.conversation_uuid

    def _hear(self, session: Session, body: Mapping[str, Any]) -> None:
        uuid, status = str(body.get("uuid") or ""), str(body.get("status") or "")
        if not uuid or status not in STATES:
            return
        leg = self._legs.get(uuid)
        if leg is None:
            leg = self._legs[uuid] = _leg(session, body)
            self._forget_oldest()
        leg.status = status
        leg.conversation_uuid = str(body.get("conversation_uuid") or leg.conversation_uuid)
        if status == "completed":
            leg.ended = {**{key: str(body.get(key) or "") for key in _KEPT}, "network": ""}

    def _forget_oldest(self) -> None:
        if len(self._legs) > MOST_CALLS:
            oldest = next((leg.uuid for leg in self._legs.values() if leg.over), next(iter(self._legs)))
            del self._legs[oldest]


def _leg(session: Session, body: Mapping[str, Any]) -> Leg:
    frm, to = str(body.get("from") or ""), str(body.get("to") or "")
    party, direction = session.call.party, str(body.get("direction") or session.direction)
    if direction == "inbound":
        caller = {"phone": frm, "sip": f"{frm}@{party.from_realm}"}.get(session.endpoint, frm)
        ends = endpoint(session.endpoint, caller), endpoint("phone", to)
    else:
        ends = endpoint("phone", frm), endpoint(_kind(session, str(body.get("uuid"))), to)
    return Leg(
        str(body["uuid"]),
        session.call.account.id,
        session.application.id,
        session.conversation_uuid,
        *ends,
        direction,
        session.wall,
        str(body["status"]),
    )


def _kind(session: Session, uuid: str) -> str:
    """Of the endpoint of a leg that goes out: the call's own, or what the ``connect`` that runs names."""
    if uuid == session.uuid:
        return session.endpoint
    named = session.action.data.get("endpoint")
    first = named[0] if isinstance(named, list) and named else named
    return str(first.get("type") or "phone") if isinstance(first, Mapping) else "phone"


def endpoint(kind: str, name: str) -> dict[str, str]:
    """An endpoint as Vonage writes it."""
    if kind == "sip":
        return {"type": kind, "uri": name if name.startswith(("sip:", "sips:")) else f"sip:{name}"}
    return {"type": kind, {"app": "user", "vbc": "extension", "websocket": "uri"}.get(kind, "number"): name}
