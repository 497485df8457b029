"""Layer 2: one SIP call as the engine's ``Channel`` (see ``channels/channel.py``)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from callflow.channels.channel import Answered, ChannelEvent, Direction, Ended, Held, Party
from callflow.channels.sip.dialog import Dialog, as_server
from callflow.channels.sip.digest_client import DigestAnswers
from callflow.channels.sip.message import Request
from callflow.channels.sip.replaces import Replaced
from callflow.channels.sip.session_body import description_in, signalled_from
from callflow.channels.sip.session_cause import cause_of, reason_headers, status_of
from callflow.channels.sip.session_change import FlowOf
from callflow.channels.sip.session_ground import Ground, HeaderList
from callflow.channels.sip.session_incoming import Incoming
from callflow.channels.sip.session_media import LegSound
from callflow.channels.sip.session_outgoing import Fork, Outgoing
from callflow.channels.sip.session_path import Path
from callflow.channels.sip.session_states import Happening, State, apply
from callflow.channels.sip.session_talk import Talk
from callflow.channels.sip.session_timer import SessionTimer
from callflow.channels.sip.stack import ServerTransaction
from callflow.channels.sip.transport import Hop
from callflow.errors import BadDescription

TRANSFERRED = ("BLIND_TRANSFER", "ATTENDED_TRANSFER")
"""Causes with which the engine lets go of who has transferred."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is fixed about a leg. ``account_id``: whose call it is."""

    call_id: str
    rate: int
    direction: Direction
    party: Party
    account_id: str = ""


class Registry(Protocol):
    """Finds calls for requests; the endpoint is it."""

    def enter(self, call_id: str, tag: str, channel: SipChannel) -> None:
        """Requests with that Call-ID and that tag of ours are the channel's."""

    def forget(self, call_id: str, tag: str) -> None:
        """Not any more."""

    def leave(self, channel: SipChannel) -> None:
        """The channel is over."""

    def call_id_of(self, replaced: Replaced) -> str:
        """The engine's id of the call with that dialog; empty: it is none of ours."""

    def flow_of(self, request: Request, source: Hop) -> Hop | None:
        """Where answers to that request's sender go whatever its Contact says; None: to the Contact."""


class SipChannel:
    """A leg whose far end is a SIP phone or trunk. Made by ``SipEndpoint`` only; its leg is in the pump."""

    def __init__(self, facts: Facts, ground: Ground, sound: LegSound, registry: Registry) -> None:
        self.facts = facts
        self._ground = ground
        self._sound = sound
        self._registry = registry
        self._events: asyncio.Queue[ChannelEvent] = asyncio.Queue()
        self._state = State.OFFERED if facts.direction is Direction.INBOUND else State.CALLING
        self._answered = False
        self._ended: Ended | None = None
        self._incoming: Incoming | None = None
        self._outgoing: Outgoing | None = None
        self._talk: Talk | None = None
        self._early: dict[str, Talk] = {}
        self._timer: SessionTimer | None = None
        self._answering: asyncio.Future[None] | None = None
        self._farewell: HeaderList = []
        sound.on_held = lambda held: self.tell(Held(held))
        sound.on_dead = lambda: self.drop("MEDIA_TIMEOUT")

    # ---- what the engine sees (Channel) ------------------------------------------------------

    @property
    def call_id(self) -> str:
        """The SIP Call-ID of a call that came in (bounded; unique in this process)."""
        return self.facts.call_id

    @property
    def leg(self) -> str:
        return self._sound.leg

    @property
    def rate(self) -> int:
        return self.facts.rate

    @property
    def direction(self) -> Direction:
        return self.facts.direction

    @property
    def party(self) -> Party:
        return self.facts.party

    @property
    def answered(self) -> bool:
        return self._answered

    @property
    def ended(self) -> Ended | None:
        return self._ended

    async def next_event(self) -> ChannelEvent:
        return await self._events.get()

    async def progress(self) -> None:
        if self._state is State.OFFERED and self._incoming is not None:
            self._incoming.progress()

    async def answer(self) -> None:
        if self._state is not State.OFFERED or self._incoming is None:
            return
        if self._answering is None:
            self._answering = asyncio.get_running_loop().create_future()
            self._incoming.accept(self._accepted_theirs)
        await asyncio.shield(self._answering)

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        self._close(cause, code, message)

    async def hold(self, held: bool) -> None:
        """Put the far end on hold by re-INVITE (True), or take it back: for callers, not for the engine."""
        if self._state is State.TALKING and self._talk is not None:
            self._sound.listen(not held)
            self._talk.changes.change()

    async def refer(self, target: str) -> int:
        """Transfer the far end to ``target`` (a SIP URI) by REFER (RFC 3515): for callers, not the engine.
        Gives the status: 202, it will try; 0: the call is not up.
        """
        if self._state is not State.TALKING or self._talk is None:
            return 0
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        headers = [("Refer-To", f"<{target}>"), ("Referred-By", f"<{self._talk.path.dialog.local.uri}>")]
        self._talk.referred = True
        self._talk.path.ask("REFER", lambda status, _: answer.set_result(status), headers=headers)
        return await answer

    @property
    def state(self) -> State:
        """Where its signalling is."""
        return self._state

    @property
    def dialog(self) -> Dialog | None:
        """The dialog, once there is one."""
        return self._talk.path.dialog if self._talk is not None else None

    # ---- how it begins (SipEndpoint) ---------------------------------------------------------

    def take(
        self, transaction: ServerTransaction, tag: str, *, late: bool, timer: SessionTimer | None
    ) -> None:
        """An INVITE that has come is this call. ``tag``: ours; ``late``: it has no offer."""
        request = transaction.request
        dialog = as_server(request, tag)
        flow = self._registry.flow_of(request, transaction.source)
        path = Path(self._ground, dialog, DigestAnswers(None), flow, transaction.source)
        self._talk = self._new_talk(path)
        self._talk.changes.allows_update = "UPDATE" in request.get("Allow").upper()
        self._incoming = Incoming(
            self._ground, self, self._sound, dialog, transaction, late=late, timer=timer
        )
        self._timer = timer
        self._registry.enter(request.call_id, tag, self)

    def start(self, outgoing: Outgoing, call_id: str, tag: str) -> None:
        """This call goes out."""
        self._outgoing = outgoing
        self._registry.enter(call_id, tag, self)
        outgoing.send()

    def replace(self, transaction: ServerTransaction, tag: str, timer: SessionTimer | None) -> int:
        """Another party takes this call's place with an INVITE (RFC 3891 3). The status: 200, or why not."""
        former, request = self._talk, transaction.request
        if self._state is not State.TALKING or former is None:
            return 481 if self._ended is not None else 486
        if self._sound.offering:
            return 491
        body = description_in(request)
        try:
            if body:
                self._sound.answer(body, signalled_from(request))
        except BadDescription:
            return 488
        if self._incoming is not None:
            self._incoming.close()
        self._state = apply(self._state, Happening.REPLACED)
        key = former.path.dialog.key
        self.take(transaction, tag, late=not body, timer=timer)
        assert self._incoming is not None
        self._incoming.accept(lambda: self._arm(timer))
        former.bye(reason_headers("ATTENDED_TRANSFER"), lambda: self._registry.forget(key[0], key[1]))
        return 200

    # ---- what comes (SipEndpoint) ------------------------------------------------------------

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        """A request in one of its dialogs."""
        talk = self._talk_with(request.from_.tag)
        if talk is None:
            self._ground.respond(transaction, 481)
        else:
            talk.on_request(request, transaction)

    def on_ack(self, request: Request) -> None:
        """An ACK in one of its dialogs."""
        if self._incoming is not None and self._incoming.on_ack(request):
            return
        talk = self._talk_with(request.from_.tag)
        if talk is not None:
            talk.changes.on_ack(request)

    def on_cancel(self) -> None:
        """The caller has given up."""
        if self._state is State.OFFERED:
            self.lose(Ended("ORIGINATOR_CANCEL", 487))

    def has_dialog(self, replaced: Replaced) -> bool:
        """Is that the dialog of this call?"""
        dialog = self.dialog
        return dialog is not None and dialog.remote.tag == replaced.from_tag

    # ---- what its parts tell -----------------------------------------------------------------

    def tell(self, event: ChannelEvent) -> None:
        """Something for the engine."""
        if self._ended is None:
            self._events.put_nowait(event)

    def lose(self, ended: Ended) -> None:
        """The far end, or a fault, has ended the call; nothing more is to be sent."""
        if self._state is State.OVER:
            return
        if self._state is State.OFFERED and self._incoming is not None:
            self._incoming.refuse(487)
        refused = self._state in (State.CALLING, State.CANCELLING)
        self._state = apply(self._state, Happening.REFUSED if refused else Happening.GONE)
        self._end(ended)
        self._leave()

    def drop(self, cause: str) -> None:
        """We end the call, for a fault that the engine does not know of."""
        self._close(cause)

    def expire(self, status: int) -> None:
        """The INVITE cannot be answered any more."""
        self._close(cause_of(status), status)

    def acknowledged(self) -> None:
        """The ACK of our 2xx is here."""
        if self._state is State.ACCEPTED:
            self._state = apply(self._state, Happening.ACK)
        elif self._state is State.CLOSING:
            self._bye()

    def unacknowledged(self) -> None:
        """No ACK has come in time."""
        if self._state is State.CLOSING:
            self._bye()
        else:
            self._close("RECOVERY_ON_TIMER_EXPIRE")

    def accepted(self, fork: Fork, timer: SessionTimer | None, *, usable: bool) -> None:
        """The first 2xx to our INVITE."""
        self._talk = self._early.pop(fork.dialog.remote.tag, None) or self._new_talk(fork.path)
        for talk in self._early.values():
            talk.close()
        self._early.clear()
        self._state = apply(self._state, Happening.ACCEPTED)
        self._talk.changes.allows_update = "UPDATE" in fork.allows.upper()
        if self._state is State.CLOSING:
            self._bye()
        elif usable:
            self._answered = True
            self._talk.arm(timer)
            self.tell(Answered())
        else:
            self._close("INCOMPATIBLE_DESTINATION", 488)

    @property
    def cancelled(self) -> bool:
        """The engine does not want an answer any more."""
        return self._state is not State.CALLING

    @property
    def busy(self) -> bool:
        """Its first INVITE is not through."""
        if self._state in (State.OFFERED, State.CALLING):
            return True
        return self._incoming is not None and self._incoming.waits_for_ack

    def on_prack(self, request: Request, transaction: ServerTransaction) -> None:
        """A PRACK for the first INVITE."""
        if self._incoming is None:
            self._ground.respond(transaction, 481)
        else:
            self._incoming.on_prack(request, transaction)

    def call_id_of(self, replaced: Replaced) -> str:
        """See ``Registry``."""
        return self._registry.call_id_of(replaced)

    # ---- inside ------------------------------------------------------------------------------

    def _arm(self, timer: SessionTimer | None) -> None:
        if self._talk is not None:
            self._talk.arm(timer)

    def _accepted_theirs(self) -> None:
        self._state = apply(self._state, Happening.ACCEPT)
        self._answered = True
        self._arm(self._timer)
        self._release_answer()

    def _close(self, cause: str, code: int = 0, message: str = "") -> None:
        if self._ended is not None:
            return
        before, headers = self._state, reason_headers(cause)
        self._state = apply(before, Happening.HANGUP)
        status = status_of(cause, code) if before is State.OFFERED else code
        self._end(Ended(cause, status, by="engine"))
        self._farewell = headers
        if before is State.OFFERED and self._incoming is not None:
            self._incoming.refuse(status, message, headers)
            self._leave()
        elif before is State.CALLING and self._outgoing is not None:
            self._outgoing.cancel(headers)
        elif self._talk is not None:
            self._talk.transfers.settle(cause in TRANSFERRED)
            if before is not State.ACCEPTED or not self.busy:
                self._bye()  # else after the ACK (RFC 3261 15)

    def _bye(self) -> None:
        assert self._talk is not None
        self._talk.bye(self._farewell, self._done)

    def _done(self) -> None:
        if self._state is State.CLOSING:
            self._state = apply(self._state, Happening.DONE)
            self._leave()

    def _end(self, ended: Ended) -> None:
        """The engine is told, once; the leg goes."""
        if self._ended is None:
            self._ended = ended
            self._events.put_nowait(ended)
            self._sound.close()
        self._release_answer()

    def _release_answer(self) -> None:
        if self._answering is not None and not self._answering.done():
            self._answering.set_result(None)

    def _leave(self) -> None:
        if self._incoming is not None:
            self._incoming.close()
        if self._outgoing is not None:
            self._outgoing.close()
        if self._talk is not None:
            self._talk.close()
        for talk in self._early.values():
            talk.close()
        self._registry.leave(self)

    def _talk_with(self, tag: str) -> Talk | None:
        if self._talk is not None:
            return self._talk if self._talk.path.dialog.remote.tag == tag else None
        fork = self._outgoing.fork(tag) if self._outgoing is not None else None
        if fork is None:
            return None
        if tag not in self._early:
            self._early[tag] = self._new_talk(fork.path)
        return self._early[tag]

    def _new_talk(self, path: Path) -> Talk:
        caller = self._outgoing is not None
        flow_of: FlowOf = self._registry.flow_of
        return Talk(self._ground, self, self._sound, path, caller=caller, flow_of=flow_of)
