"""Layer 4: what the actions of one call share: its application, conversation, legs, and its web server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from callflow.errors import CallflowError, NoScript
from callflow.events import DigitPressed, Event
from callflow.ncco import events
from callflow.ncco.application import Application, Webhook
from callflow.ncco.asking import Question, ask
from callflow.ncco.named import NamedConversations
from callflow.ncco.script import Action, Script
from callflow.ncco.uuids import conversation_uuid, leg_uuid
from callflow.state.events import Message

if TYPE_CHECKING:
    from callflow.engine.call import Call
    from callflow.engine.walker import Module
    from callflow.ncco.moves import Move
    from callflow.ncco.recording import ConversationRecording

NO_ACTION = Action(0, "")


class EventSender(Protocol):
    """Who sends messages that nobody waits for; what it has taken is not lost."""

    async def send(self, message: Message, call_id: str, recording_id: str = "") -> None:
        """Take the message. Raises CallflowError if it cannot be kept."""


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
    recording: ConversationRecording | None = None
    """The latest one of it, which may be over."""

    def join(self, member: Member) -> None:
        """A leg joins; one that was a member already keeps its place."""
        if any(each.uuid == member.uuid for each in self.members):
            return
        self.members.append(member)
        for tell in tuple(self.on_joined):
            tell(member)


class Session:
    """One call under the control of scripts. ``direction``: ``inbound`` or ``outbound`` (made by REST);
    ``modules``: what a party's transfer to a callflow needs. ``sessions``: where it is listed.
    """

    def __init__(
        self,
        call: Call,
        application: Application,
        sender: EventSender,
        *,
        direction: str = "inbound",
        endpoint: str = "phone",
        modules: Mapping[str, Module] | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self.call = call
        self.application = application
        self.sender = sender
        self.direction = direction
        self.endpoint = endpoint
        self.modules = modules or {}
        self.sessions = sessions or Sessions()
        self.uuid = leg_uuid(call.id)
        self.conversation = Conversation(conversation_uuid(call.services.ids))
        self.conversation.join(self.member)
        self.status = "started"
        """The last state of the first leg that was told (ncco.md 3.2)."""
        self.script = Script()
        self.action = NO_ACTION
        """The action that runs, as it is written."""
        self.ahead: Sequence[Action] = ()
        """The actions that follow on it."""
        self.barged = False
        """A prompt was cut short: those up to the next ``input`` are passed over (ncco.md 2.3)."""
        self.barge_in = False
        """Prompts may be cut short from here on to the next ``input``."""
        self.muted: set[str] = set()
        """The UUIDs of legs that were muted from outside: not heard, and not recorded."""
        self.earmuffed: set[str] = set()
        """Those that were told from outside to hear nobody."""
        self.recordings: list[ConversationRecording] = []
        """All that were started for this call."""
        self.interruption: asyncio.Future[Move] | None = None
        self._leave_digits: Callable[[], None] | None = None

    @property
    def conversation_uuid(self) -> str:
        """The name of the conversation."""
        return self.conversation.uuid

    @property
    def wall(self) -> float:
        """Seconds since 1970."""
        return self.call.services.clock.wall()

    @property
    def party(self) -> events.Party:
        """The first leg, as events name it."""
        party = self.call.party
        return events.Party(
            self.uuid, self.conversation_uuid, party.from_number, party.to_number, self.direction
        )

    @property
    def member(self) -> Member:
        """The first leg, as conversations name it."""
        call, party = self.call, self.call.party
        return Member(
            self.uuid, call.leg, call.id, self.direction, party.from_number, party.to_number, self.endpoint
        )

    # ---- the web server ------------------------------------------------------------------------

    def webhook(self, data: Mapping[str, Any]) -> Webhook | None:
        """Where an action's events go: its ``eventUrl`` and ``eventMethod``, else the application's; None:
        nowhere.
        """
        urls = data.get("eventUrl")
        url = urls[0] if isinstance(urls, list) and urls else urls
        if isinstance(url, str) and url:
            return Webhook(url, str(data.get("eventMethod") or "POST"))
        return self.application.event

    def message(self, body: Mapping[str, Any], webhook: Webhook) -> Message:
        """``body`` for ``webhook``, signed as the application's."""
        return Message(
            webhook.url,
            webhook.method,
            body,
            self.application.id,
            self.application.api_key,
            self.application.signature_secret,
        )

    async def send(self, body: Mapping[str, Any], webhook: Webhook | None = None) -> None:
        """Send ``body`` without waiting for the answer; ``webhook`` None: to the application's event url, if
        it has one. Does not raise.
        """
        webhook = webhook or self.application.event
        if webhook is None:
            return
        try:
            await self.sender.send(self.message(body, webhook), self.call.id)
        except CallflowError as error:
            self.call.notice("error", error.code, f"an event cannot be sent: {error}", error.hint)

    async def ask(self, body: Mapping[str, Any], webhook: Webhook | None) -> Script | None:
        """Send ``body`` and wait for the answer: the NCCO in it, or None (no NCCO, or nobody could be asked,
        which a notice tells). Tries, time-outs and fallback as ncco.md 3.7. Raises CallGone.
        """
        if webhook is None:
            return None
        try:
            return await ask(Question("event", webhook, body), self.call, self.application)
        except NoScript as error:
            self.call.notice(
                "error",
                "CF-RUN-NCCO-EVENT",
                f"{self.action.name}: the event url gave no answer that can be used: {error.message}",
                "It must answer 2xx, with an NCCO or with nothing, in time.",
            )
            return None

    async def report(self, reason: str, hint: str = "") -> None:
        """Something in the script cannot be done: an error event, and a notice. The script goes on."""
        self.call.notice("error", "CF-RUN-NCCO", f"{self.action.name or 'NCCO'}: {reason}", hint)
        await self.send(events.error(reason, self.conversation_uuid, self.wall))

    async def tell_state(self, body: Mapping[str, Any], webhook: Webhook | None = None) -> None:
        """Send a call state, and tell those who watch this engine's calls."""
        if body.get("uuid") == self.uuid:
            self.status = str(body["status"])
        for tell in tuple(self.sessions.on_event):
            tell(self, body)
        await self.send(body, webhook)

    # ---- digits one by one ---------------------------------------------------------------------

    def listen_digits(self, webhook: Webhook | None) -> None:
        """From now on each digit of the first leg is sent by itself (asynchronous ``input``)."""
        self.stop_digits()
        call = self.call

        def hear(event: Event) -> None:
            if isinstance(event, DigitPressed) and event.leg == call.leg:
                pressed = {"digits": event.digit, "timed_out": False}
                body = events.input_result(self.party, self.wall, dtmf=pressed, speech=None)
                call.spawn(self.send(body, webhook))

        self._leave_digits = call.services.bus.subscribe(hear, call_id=call.id)

    def stop_digits(self) -> bool:
        """No digit is sent by itself any more; False: none was."""
        leave, self._leave_digits = self._leave_digits, None
        if leave is not None:
            leave()
            self.call.flush_digits()
        return leave is not None

    # ---- from outside --------------------------------------------------------------------------

    def interrupt(self, move: Move) -> None:
        """From outside (REST): what the script does now is broken off, and it goes on with ``move``."""
        if self.interruption is None or self.interruption.done():
            self.interruption = asyncio.get_running_loop().create_future()
        self.interruption.set_result(move)


class Sessions:
    """The sessions of an engine that are up, by the UUID of any of their legs."""

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self.base_url = "http://127.0.0.1:8080"
        """Where files are fetched, if ``ncco.public_url`` does not say: where the HTTP server listens."""
        self.on_event: list[Callable[[Session, Mapping[str, Any]], None]] = []
        """Told of each call state event, with its body."""
        self.named = NamedConversations(Conversation)

    def add(self, session: Session) -> None:
        """It is up; one that is there already stays."""
        if session not in self._sessions:
            self._sessions.append(session)

    def remove(self, session: Session) -> None:
        """It has ended."""
        if session in self._sessions:
            self._sessions.remove(session)

    def find(self, uuid: str) -> Session | None:
        """The session that has a leg of this UUID: the one whose first leg it is, else whose callee."""
        for session in self._sessions:
            if session.uuid == uuid:
                return session
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
