"""Layer 2: a request that we sent, until nothing can come for it any more (RFC 3261 17.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from callflow.channels.sip.header import Headers
from callflow.channels.sip.header_via import Via
from callflow.channels.sip.message import Request, Response
from callflow.channels.sip.transaction import CLIENT, INVITE_CLIENT, TIMERS, Do, Event, Machine, State
from callflow.channels.sip.transaction_run import Running, guarded
from callflow.channels.sip.transaction_timers import Timers
from callflow.channels.sip.transport import Failed, Hop
from callflow.channels.sip.transport_stream import Connection
from callflow.errors import TransportFailed


class ClientUser(Protocol):
    """Who sent a request. Never called from within ``send_request``."""

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        """Every provisional and final response; of an INVITE every 2xx, retransmitted and forked ones too."""

    def on_timeout(self, transaction: ClientTransaction) -> None:
        """No final response in time (timers B and F, or 32 s after a CANCEL)."""

    def on_failed(self, transaction: ClientTransaction, error: TransportFailed) -> None:
        """It could not be sent."""


class ClientOwner(Protocol):
    """What a client transaction needs of its stack."""

    @property
    def timers(self) -> Timers: ...

    def send(self, data: bytes, hop: Hop, failed: Failed, quick: bool = False) -> Connection | None:
        """Send a request."""

    def via(self, hop: Hop, branch: str) -> Via:
        """Ours, for a request to ``hop``."""

    def over_tcp(self, hop: Hop, size: int) -> bool:
        """Whether a request of ``size`` bytes to this UDP address is to be tried by TCP."""

    def no_tcp(self, hop: Hop) -> None:
        """That peer does not take TCP."""

    def cancel(self, request: Request, hop: Hop, branch: str) -> None:
        """Send a CANCEL."""

    def over(self, transaction: ClientTransaction) -> None:
        """It is terminated."""


class ClientTransaction(Running):
    """A request that was sent. ``request`` has its Via; ``hop``: where it went (TCP though UDP was asked for,
    where it was too long).
    """

    __slots__ = (
        *("_cancel", "_connection", "_data", "_error", "_fallback", "_owner", "_response", "_user", "branch"),
        *("hop", "request"),
    )

    def __init__(
        self, owner: ClientOwner, request: Request, hop: Hop, user: ClientUser | None, branch: str
    ) -> None:
        super().__init__(_machine(request, hop), owner.timers)
        self.branch = branch
        self.hop = hop
        self.request = Request(request.method, request.uri, request.headers.copy(), request.body)
        self._owner = owner
        self._user = user
        self._connection: Connection | None = None
        self._fallback: Hop | None = None
        self._cancel: Sequence[tuple[str, str]] | None = None
        self._response: Response | None = None
        self._error: TransportFailed | None = None
        self._data = b""
        if request.method != "CANCEL":  # which has its INVITE's
            self.request.headers.insert("Via", str(owner.via(hop, branch)))

    def start(self) -> None:
        """Send it the first time; by TCP if it is too long for UDP (RFC 3261 18.1.1)."""
        self._data = self.request.to_bytes()
        if self.hop.transport == "udp" and self._owner.over_tcp(self.hop, len(self._data)):
            self._fallback = self.hop
            self._go_by(Hop("tcp", self.hop.host, self.hop.port))
        self.happens(Event.START)

    def _go_by(self, hop: Hop) -> None:
        """Another transport: another Via, other timers."""
        self.hop = hop
        self.request.set_vias([self._owner.via(hop, self.branch), *self.request.vias[1:]])
        self._data = self.request.to_bytes()
        self._machine = _machine(self.request, hop)

    def cancel(self, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Cancel an INVITE: now, or as soon as a provisional response comes; after a final one nothing
        happens. ``headers`` go into the CANCEL (Reason). The answer (487, or a late 2xx) comes as any other.
        """
        if self._cancel is not None or self.request.method != "INVITE":
            return
        self._cancel = tuple(headers)
        if self.state is State.PROCEEDING:
            self.happens(Event.CANCEL)

    def receive(self, response: Response) -> None:
        """A response of the peer's."""
        if self.is_over:
            return
        self._response = response
        if response.status >= 300:
            self.happens(Event.FAILURE)
        elif response.status >= 200:
            self.happens(Event.SUCCESS)
        else:
            waited = self.state is State.CALLING and self._cancel is not None
            self.happens(Event.PROVISIONAL)
            if waited and self.state is State.PROCEEDING:
                self.happens(Event.CANCEL)

    def _failed(self, error: TransportFailed) -> None:
        """The transport could not send it, or its connection is gone."""
        if self.is_over:
            return
        if self._fallback is not None and self.state in (State.CALLING, State.TRYING):
            hop, self._fallback = self._fallback, None
            self.forget()
            self._leave()
            self._owner.no_tcp(hop)
            self._go_by(hop)
            self.happens(Event.START)
            return
        self._error = error
        self.happens(Event.ERROR)

    def _do(self, action: Do) -> None:
        user = self._user
        if action is Do.SEND:
            self._transmit(self._data)
        elif action is Do.SEND_ACK:
            if self._response is not None:
                self._transmit(_ack(self.request, self._response).to_bytes())
        elif action is Do.SEND_CANCEL:
            self._owner.cancel(_cancel(self.request, self._cancel or ()), self.hop, self.branch)
        elif user is None:
            return
        elif action is Do.TELL_RESPONSE and (response := self._response) is not None:
            guarded(lambda: user.on_response(response, self))
        elif action is Do.TELL_TIMEOUT:
            guarded(lambda: user.on_timeout(self))
        elif action is Do.TELL_FAILED:
            error = self._error or TransportFailed(f"{self.hop}: not sent")
            guarded(lambda: user.on_failed(self, error))

    def _transmit(self, data: bytes) -> None:
        connection = self._owner.send(data, self.hop, self._failed, self._fallback is not None)
        if connection is not None and connection is not self._connection:
            self._leave()
            self._connection = connection
            if not connection.gone:
                connection.users[self] = self._failed
                self.hop = Hop(self.hop.transport, self.hop.host, self.hop.port, connection.hop.connection)

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.users.pop(self, None)
            self._connection = None

    def _ended(self) -> None:
        self._leave()
        self._owner.over(self)

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.request.method} {self.state.name}>"


def _machine(request: Request, hop: Hop) -> Machine:
    table = INVITE_CLIENT if request.method == "INVITE" else CLIENT
    return Machine(table, hop.reliable, TIMERS)


def _ack(request: Request, response: Response) -> Request:
    """Of a final response that is not 2xx: part of the INVITE's transaction (RFC 3261 17.1.1.3)."""
    made = _same(request, "ACK")
    made.set("To", response.get("To"))
    return Request("ACK", request.uri, made)


def _cancel(request: Request, headers: Sequence[tuple[str, str]]) -> Request:
    """RFC 3261 9.1."""
    made = _same(request, "CANCEL")
    for name, value in headers:
        made.add(name, value)
    return Request("CANCEL", request.uri, made)


def _same(request: Request, method: str) -> Headers:
    asked = request.headers
    made = Headers((("Via", str(request.via)),))
    made.set_all("Route", asked.all("Route"))
    made.set("Max-Forwards", "70")
    for name in ("From", "To", "Call-ID"):
        made.set(name, asked.get(name))
    made.set("CSeq", f"{request.cseq.number} {method}")
    return made
