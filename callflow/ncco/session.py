"""Layer 4: what the actions of one call share: its application, conversation, legs, and its web server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from callflow.ncco.application import Application, Webhook
from callflow.ncco.moves import Move
from callflow.ncco.script import Script
from callflow.ncco.uuids import conversation_uuid, leg_uuid

if TYPE_CHECKING:
    from callflow.engine.call import Call


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for a web server that may wait in the outbox. ``body``: JSON values; sent as a query for
    ``GET``, as JSON for ``POST``.
    """

    url: str
    method: str
    body: Mapping[str, Any]
    application_id: str
    call_id: str


class EventSender(Protocol):
    """Who sends messages that nobody waits for; what it has taken is not lost."""

    async def send(self, message: Outgoing) -> None: ...


@dataclass(frozen=True, slots=True)
class Member:
    """A leg of the conversation. ``uuid``: its name in webhooks; ``leg``: in media commands; ``endpoint``:
    what it is (``phone``, ``sip``, ``app``, ``websocket``, ``vbc``).
    """

    uuid: str
    leg: str
    call_id: str
    direction: str
    from_number: str
    to_number: str
    endpoint: str = "phone"


@dataclass(slots=True)
class Conversation:
    """The conversation that a call's legs are in. ``members``: every leg that ever joined, in joining order
    (so the place of a leg is its recording channel, ncco.md 1.4). ``on_joined``: told of each new one.
    """

    uuid: str
    members: list[Member] = field(default_factory=list)
    on_joined: list[Callable[[Member], None]] = field(default_factory=list)

    def join(self, member: Member) -> None:
        """A leg joins; one that was a member already keeps its place."""
        if any(each.uuid == member.uuid for each in self.members):
            return
        self.members.append(member)
        for tell in tuple(self.on_joined):
            tell(member)


class Session:
    """One call under the control of scripts. ``direction``: ``inbound`` or ``outbound`` (made by REST)."""

    def __init__(
        self,
        call: Call,
        application: Application,
        sender: EventSender,
        *,
        direction: str = "inbound",
        endpoint: str = "phone",
    ) -> None:
        self.call = call
        self.application = application
        self.sender = sender
        self.direction = direction
        self.uuid = leg_uuid(call.id)
        self.conversation = Conversation(conversation_uuid(call.services.ids))
        party = call.party
        self.conversation.join(
            Member(self.uuid, call.leg, call.id, direction, party.from_number, party.to_number, endpoint)
        )
        self.status = "started"
        """The last call state that was told (ncco.md 3.2)."""
        self.barge_in = False
        """A prompt may be cut short by digits or speech until an ``input`` is met (ncco.md 2.3)."""

    @property
    def conversation_uuid(self) -> str:
        """The name of the conversation."""
        return self.conversation.uuid

    def webhook(self, data: Mapping[str, Any]) -> Webhook | None:
        """Where an action's events go: its ``eventUrl`` and ``eventMethod``, else the application's; None:
        nowhere.
        """
        raise NotImplementedError

    async def send(self, body: Mapping[str, Any], webhook: Webhook | None) -> None:
        """Send ``body`` without waiting for the answer, durably; ``webhook`` None: to the application's event
        url, if it has one. Does not raise.
        """
        raise NotImplementedError

    async def ask(self, body: Mapping[str, Any], webhook: Webhook | None) -> Script | None:
        """Send ``body`` and wait for the answer: the NCCO in it, or None (no NCCO, or nobody could be asked,
        which a notice tells). Tries, time-outs and fallback as ncco.md 3.7. Raises CallGone.
        """
        raise NotImplementedError

    def interrupt(self, move: Move) -> None:
        """From outside (REST): what the script does now is broken off, and it goes on with ``move``."""
        raise NotImplementedError


class Sessions:
    """The sessions of an engine that are up, by the UUID of any of their legs."""

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self.on_event: list[Callable[[Session, Mapping[str, Any]], None]] = []
        """Told of each call state event, with its body."""

    def add(self, session: Session) -> None:
        """It is up."""
        self._sessions.append(session)

    def remove(self, session: Session) -> None:
        """It has ended."""
        if session in self._sessions:
            self._sessions.remove(session)

    def find(self, uuid: str) -> Session | None:
        """The session that has a leg of this UUID."""
        for session in self._sessions:
            if any(member.uuid == uuid for member in session.conversation.members):
                return session
        return None

    def of_conversation(self, uuid: str) -> list[Session]:
        """The sessions whose legs are in that conversation."""
        return [each for each in self._sessions if each.conversation.uuid == uuid]

    def all(self) -> list[Session]:
        """Every one that is up, the oldest first."""
        return list(self._sessions)
