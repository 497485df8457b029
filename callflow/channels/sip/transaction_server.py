"""Layer 2: a request that came, until it is answered for good (RFC 3261 17.2)."""

from __future__ import annotations

from typing import Protocol

from callflow.channels.sip.message import Request, Response, new_response
from callflow.channels.sip.transaction import INVITE_SERVER, SERVER, TIMERS, Do, Event, Machine, State
from callflow.channels.sip.transaction_ids import ServerKey
from callflow.channels.sip.transaction_run import Running, guarded
from callflow.channels.sip.transaction_timers import Timers
from callflow.channels.sip.transport import DEFAULT_PORTS, Answer, Hop


class TransactionUser(Protocol):
    """Who answers requests."""

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        """A new request: any but ACK and CANCEL. What it raises is answered 500 (a SipError: its status)."""

    def on_ack(self, request: Request, source: Hop) -> None:
        """The ACK of a 2xx (every copy of it), or of nothing that is known."""

    def on_cancel(self, transaction: ServerTransaction) -> None:
        """An INVITE without final response is cancelled: answer it 487. The CANCEL has been answered."""

    def on_no_ack(self, transaction: ServerTransaction) -> None:
        """Our final response (not 2xx) of an INVITE got no ACK in 32 s."""


class ServerOwner(Protocol):
    """What a server transaction needs of its stack."""

    user: TransactionUser

    @property
    def timers(self) -> Timers: ...

    def reply(self, data: bytes, hop: Hop, answer: Answer) -> None:
        """Send a response."""

    def count(self, request: Request, status: int) -> None:
        """``request`` gets a final response."""

    def settled(self, transaction: ServerTransaction) -> None:
        """It has its final response."""

    def ended(self, transaction: ServerTransaction) -> None:
        """It is terminated."""


class ServerTransaction(Running):
    """A request to answer. ``id`` is unique among the living; ``reliable``: TCP or TLS."""

    __slots__ = ("_ack", "_data", "_owner", "_reply", "answer", "answered", "id", "key", "request", "source")

    def __init__(
        self, owner: ServerOwner, request: Request, source: Hop, answer: Answer, key: ServerKey, number: int
    ) -> None:
        table = INVITE_SERVER if request.method == "INVITE" else SERVER
        super().__init__(Machine(table, source.reliable, TIMERS), owner.timers)
        self.request = request
        self.source = source
        self.answer = answer
        self.key = key
        self.id = f"{request.method.lower()}-{number}"
        self.answered = False
        """A final response has been sent, or nobody waits for one any more."""
        self._owner = owner
        self._reply = reply_hop(request, source)
        self._data = b""
        self._ack: Request | None = None

    @property
    def reliable(self) -> bool:
        return self.source.reliable

    def respond(self, response: Response) -> None:
        """Send a response; the stack retransmits a final one that is not 2xx. A 2xx of an INVITE may be sent
        again and again: each call sends it once. Raises StateError after another final response; a response
        that nobody waits for any more is dropped.
        """
        if self.is_over:
            return
        data, self._data = self._data, response.to_bytes()
        event = Event.PROVISIONAL
        if response.status >= 200:
            event = Event.SUCCESS if response.status < 300 else Event.FAILURE
        try:
            self.happens(event)
        except BaseException:
            self._data = data
            raise
        if response.status >= 200 and not self.answered:
            self.answered = True
            self._owner.count(self.request, response.status)
            self._owner.settled(self)

    def respond_once(self, response: Response) -> None:
        """Send a final response and forget the request: a copy of it is a new one (RFC 3261 8.2.7). For
        strangers: nothing is kept for them, and who is forged as their address gets one answer, not eleven
        (RFC 3261 26.3.2.4). After another final response nothing happens.
        """
        if not self.answered:
            self._owner.count(self.request, response.status)
            self._owner.reply(response.to_bytes(), self._reply, self.answer)
            self.drop()

    def drop(self) -> None:
        """Forget the request without an answer; after a final one nothing happens."""
        if not self.answered:
            self.happens(Event.DROP)

    def again(self) -> None:
        """The request came once more."""
        self.happens(Event.REQUEST)

    def acknowledged(self, ack: Request) -> None:
        """Its ACK came."""
        self._ack = ack
        self.happens(Event.ACK)

    @property
    def is_accepted(self) -> bool:
        return self.state is State.ACCEPTED

    def _do(self, action: Do) -> None:
        if action is Do.SEND_TRYING:
            self._data = new_response(self.request, 100).to_bytes()
            action = Do.SEND
        if action is Do.SEND:
            self._owner.reply(self._data, self._reply, self.answer)
        elif action is Do.TELL_ACK and self._ack is not None:
            ack = self._ack
            guarded(lambda: self._owner.user.on_ack(ack, self.source))
        elif action is Do.TELL_NO_ACK:
            guarded(lambda: self._owner.user.on_no_ack(self))

    def _ended(self) -> None:
        if not self.answered:
            self.answered = True
            self._owner.settled(self)
        self._owner.ended(self)

    def __repr__(self) -> str:
        return f"<ServerTransaction {self.id} {self.state.name}>"


def reply_hop(request: Request, source: Hop) -> Hop:
    """Where responses go (RFC 3261 18.2.2, RFC 3581): always to the address the request came from; its port
    with rport, else the port of the Via.
    """
    via = request.via
    if source.reliable:
        return Hop(source.transport, source.host, via.port or DEFAULT_PORTS[source.transport])
    port = source.port if "rport" in via.params else via.port or DEFAULT_PORTS["udp"]
    return Hop("udp", source.host, port)
