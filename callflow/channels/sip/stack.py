"""Layer 2: the SIP stack: transports and transactions, for a user agent above (RFC 3261 8, 17, 18)."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence

from callflow.channels.sip.header_via import Via
from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.message import (
    Request,
    Response,
    new_response,
    read_message,
    refusal,
    stateless_tag,
)
from callflow.channels.sip.transaction import Event
from callflow.channels.sip.transaction_client import ClientTransaction, ClientUser
from callflow.channels.sip.transaction_ids import (
    ClientKey,
    MergeKey,
    ServerKey,
    client_key,
    merge_key,
    new_branch,
    server_key,
)
from callflow.channels.sip.transaction_server import ServerTransaction, TransactionUser, reply_hop
from callflow.channels.sip.transaction_timers import Timers
from callflow.channels.sip.transport import Answer, Failed, Hop
from callflow.channels.sip.transport_route import next_hop
from callflow.channels.sip.transport_stream import Connection
from callflow.channels.sip.transports import Transports
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock
from callflow.errors import MalformedMessage, SipError, TransportFailed
from callflow.log import logger, one_line

__all__ = ["ClientTransaction", "ClientUser", "ServerTransaction", "SipStack", "TransactionUser"]

EXTENSIONS = frozenset({"100rel", "timer", "replaces", "norefersub", "path"})
"""Option tags that a peer may require of us; any other is answered 420 by the stack."""
METHODS = frozenset(
    [
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    ]
)
NO_TCP_S = 600.0
"""How long it is remembered that a peer does not take TCP."""
MOST_NO_TCP = 1024


class SipStack:
    """``user`` must be set before ``listen``. Everything runs on the event loop of ``listen``."""

    user: TransactionUser

    def __init__(
        self,
        clock: Clock,
        *,
        limits: StackLimits | None = None,
        tls_client: ssl.SSLContext | None = None,
        extensions: frozenset[str] = EXTENSIONS,
    ) -> None:
        self._clock = clock
        self._limits = limits or StackLimits()
        self._extensions = extensions
        self._transports = Transports(self, self._limits, tls_client)
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._merged: dict[MergeKey, ServerTransaction] = {}
        self._clients: dict[ClientKey, ClientTransaction] = {}
        self._per_address: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
        self._no_tcp: dict[tuple[str, int], float] = {}
        self._last = 0
        self._timers: Timers | None = None
        self.counted: Counter[str] = Counter()
        """What went wrong, for those who watch: malformed, stray, overload, merged ..."""
        self.answers: Counter[tuple[str, int]] = Counter()
        """Requests by method and the status of our final response."""

    # -- for the user agent

    async def listen(self, transport: str, host: str, port: int, tls: ssl.SSLContext | None = None) -> Hop:
        """Listen; ``port`` 0: any. Gives the address it got. Raises ListenError."""
        return await self._transports.listen(transport, host, port, tls)

    def send_request(self, request: Request, hop: Hop, user: ClientUser) -> ClientTransaction:
        """Send any request but ACK, with a new top Via (``request`` itself is not changed). Never raises for
        the network's sake.
        """
        return self._begin(request, hop, user, new_branch())

    def send_ack(self, request: Request, hop: Hop) -> None:
        """Send the ACK of a 2xx. An ACK that already has a Via (it was sent before) goes out as it is."""
        if not request.get("Via"):
            request.headers.insert("Via", str(self.via(hop, new_branch())))
        self._transports.send(request.to_bytes(), hop, self._lost)

    async def hop_for(self, uri: SipUri, routes: Sequence[NameAddr] = ()) -> Hop:
        """Where a request to ``uri`` goes: the first route, else the URI (RFC 3263 without NAPTR and SRV).
        Raises TransportFailed when the name is not known or the transport not ours.
        """
        return await next_hop(uri, routes, self._transports.speaks)

    def local(self, hop: Hop) -> tuple[str, int]:
        """Our address as that peer reaches us, for Via and Contact: host (IPv6 in brackets), port."""
        return self._transports.local(hop)

    def trust(self, hop: Hop) -> None:
        """Who sends from there has proved who he is: his connection is not a stranger's any more."""
        if hop.connection:
            self._transports.trust(hop)

    @property
    def timers(self) -> Timers:
        """Of all transactions; on the loop that runs."""
        if self._timers is None:
            self._timers = Timers(asyncio.get_running_loop())
        return self._timers

    @property
    def transactions(self) -> int:
        """How many live."""
        return len(self._servers) + len(self._clients)

    def when_gone(self, told: Callable[[Hop], None]) -> None:
        """``told`` hears of each stream connection that has ended, but not by ``close``."""
        self._transports.gone = told

    async def close(self) -> None:
        """Stop listening, close every connection, forget every transaction."""
        self.when_gone(lambda hop: None)
        for transaction in (*self._servers.values(), *self._clients.values()):
            transaction.forget()
        self.timers.close()
        self._servers.clear()
        self._clients.clear()
        self._merged.clear()
        await self._transports.close()

    # -- what arrives (transport.Receiver)

    def received(self, data: bytes, source: Hop, answer: Answer) -> None:
        """One message. Nothing in it raises out of here."""
        try:
            message = read_message(data, self._limits)
        except MalformedMessage as error:
            self._refused(error, error.answer, source, answer)
            return
        message.peer = answer.peer if isinstance(answer, Connection) else source.host
        if isinstance(message, Response):
            client = self._clients.get(client_key(message))
            if client is None:
                self.counted["stray"] += 1
            else:
                client.receive(message)
            return
        self._request(message, source, answer)

    def refuse(self, data: bytes, source: Hop, answer: Answer, why: MalformedMessage) -> None:
        """The beginning of a message that is not read on."""
        self._refused(why, refusal(data, why), source, answer)

    def _refused(self, why: MalformedMessage, response: object, source: Hop, answer: Answer) -> None:
        self.counted["malformed"] += 1
        logger.debug("malformed SIP from %s: %s", source, one_line(why.message))
        if isinstance(response, Response):
            answer.send(response.to_bytes(), source)

    def _request(self, request: Request, source: Hop, answer: Answer) -> None:
        key = server_key(request, source.host)
        invite = server_key(request, source.host, "INVITE") if request.method == "CANCEL" else key
        _stamp(request, source)
        known = self._servers.get(key)
        if request.method == "ACK":
            if known is not None:
                known.acknowledged(request)
            else:
                self._tell_ack(request, source)
        elif known is not None:
            known.again()
        elif self._is_overloaded(request, source):
            self.counted["overload"] += 1
            self._stateless(request, 503, source, answer, (("Retry-After", "10"),))
        elif request.method == "CANCEL":
            self._cancelled(self._new(request, source, answer, key), self._servers.get(invite))
        else:
            self._judge(request, source, answer, key)

    def _judge(self, request: Request, source: Hop, answer: Answer, key: ServerKey) -> None:
        """Refuse what RFC 3261 8.2.2 says, give the rest to the user."""
        initial = not request.to.tag
        if initial:
            other = self._merged.get(merge_key(request))
            if other is not None and (not other.answered or other.is_accepted):
                self.counted["merged"] += 1
                self._stateless(request, 482, source, answer)
                return
            if request.method == "INVITE" and request.max_forwards == 0:
                self._stateless(request, 483, source, answer)
                return
        if "Require" in request.headers and (unknown := request.require - self._extensions):
            names = ", ".join(sorted(unknown))
            self._stateless(request, 420, source, answer, (("Unsupported", names),))
            return
        transaction = self._new(request, source, answer, key)
        if initial:
            self._merged[merge_key(request)] = transaction
        try:
            self.user.on_request(request, transaction)
        except SipError as error:
            self._give_up(transaction, error.status)
        except Exception:
            logger.exception("a SIP request could not be handled")
            self._give_up(transaction, 500)

    def _give_up(self, transaction: ServerTransaction, status: int) -> None:
        if not transaction.answered:
            request = transaction.request
            transaction.respond(new_response(request, status, to_tag=stateless_tag(request.headers)))

    def _tell_ack(self, request: Request, source: Hop) -> None:
        try:
            self.user.on_ack(request, source)
        except Exception:
            logger.exception("an ACK could not be handled")

    def _cancelled(self, cancel: ServerTransaction, invite: ServerTransaction | None) -> None:
        """RFC 3261 9.2."""
        request = cancel.request
        status = 481 if invite is None else 200
        cancel.respond(new_response(request, status, to_tag=stateless_tag(request.headers)))
        if invite is not None and not invite.answered:
            try:
                self.user.on_cancel(invite)
            except Exception:
                logger.exception("a CANCEL could not be handled")
                self._give_up(invite, 487)

    def _new(self, request: Request, source: Hop, answer: Answer, key: ServerKey) -> ServerTransaction:
        self._last += 1
        transaction = ServerTransaction(self, request, source, answer, key, self._last)
        self._servers[key] = transaction
        self._per_address[source.host] += 1
        self._pending[source.host] += 1
        if isinstance(answer, Connection):
            answer.users[transaction] = None
        transaction.happens(Event.START)
        return transaction

    def _is_overloaded(self, request: Request, source: Hop) -> bool:
        limits = self._limits
        if request.to.tag:  # what belongs to a call may still end it
            return len(self._servers) >= limits.transactions + limits.transactions // 4
        return (
            len(self._servers) >= limits.transactions
            or self._per_address[source.host] >= limits.transactions_per_address
            or self._pending[source.host] >= limits.pending_per_address
        )

    def _stateless(
        self,
        request: Request,
        status: int,
        source: Hop,
        answer: Answer,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer without remembering it: the same for every copy (RFC 3261 8.2.7)."""
        tag = stateless_tag(request.headers)
        response = new_response(request, status, to_tag=tag, headers=headers)
        self.count(request, status)
        self.reply(response.to_bytes(), reply_hop(request, source), answer)

    # -- for server transactions (transaction_server.ServerOwner)

    def reply(self, data: bytes, hop: Hop, answer: Answer) -> None:
        """A response goes back the way its request came; over a new connection if that one is gone."""
        if isinstance(answer, Connection) and answer.gone:
            self._transports.send(data, hop, self._lost)
        else:
            answer.send(data, hop)

    def count(self, request: Request, status: int) -> None:
        """``request`` gets a final response with this status. What is no method is not told apart."""
        self.answers[request.method if request.method in METHODS else "OTHER", status] += 1

    def settled(self, transaction: ServerTransaction) -> None:
        """It has its final response."""
        host = transaction.source.host
        _less(self._pending, host)

    def ended(self, transaction: ServerTransaction) -> None:
        """It is terminated."""
        self._servers.pop(transaction.key, None)
        _less(self._per_address, transaction.source.host)
        if isinstance(transaction.answer, Connection):
            transaction.answer.users.pop(transaction, None)
        if not transaction.request.to.tag:
            merged = merge_key(transaction.request)
            if self._merged.get(merged) is transaction:
                del self._merged[merged]

    # -- for client transactions (transaction_client.ClientOwner)

    def _begin(self, request: Request, hop: Hop, user: ClientUser | None, branch: str) -> ClientTransaction:
        transaction = ClientTransaction(self, request, hop, user, branch)
        self._clients[branch, request.method] = transaction
        transaction.start()
        return transaction

    def send(self, data: bytes, hop: Hop, failed: Failed, quick: bool = False) -> Connection | None:
        """Send a request."""
        return self._transports.send(data, hop, failed, quick)

    def via(self, hop: Hop, branch: str) -> Via:
        """Ours, for a request to ``hop``."""
        host, port = self._transports.local(hop)
        return Via(hop.transport.upper(), host, port, {"branch": branch, "rport": ""})

    def over_tcp(self, hop: Hop, size: int) -> bool:
        """Whether a request of ``size`` bytes to this UDP address is to be tried by TCP."""
        until = self._no_tcp.get((hop.host, hop.port), 0.0)
        return size > self._limits.udp_bytes and self._clock.now() >= until

    def no_tcp(self, hop: Hop) -> None:
        """That peer does not take TCP."""
        if len(self._no_tcp) >= MOST_NO_TCP:
            self._no_tcp.clear()
        self._no_tcp[hop.host, hop.port] = self._clock.now() + NO_TCP_S

    def cancel(self, request: Request, hop: Hop, branch: str) -> None:
        """Send a CANCEL; its answer interests nobody."""
        self._begin(request, hop, None, branch)

    def over(self, transaction: ClientTransaction) -> None:
        """It is terminated."""
        self._clients.pop((transaction.branch, transaction.request.method), None)

    def _lost(self, error: TransportFailed) -> None:
        logger.debug("SIP message lost: %s", one_line(error.message))


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


def _stamp(request: Request, source: Hop) -> None:
    """Where a request really came from goes into its Via (RFC 3261 18.2.1, RFC 3581 4)."""
    vias = request.vias
    top = vias[0]
    asked = "rport" in top.params
    if not asked and top.host.strip("[]") == source.host:
        return
    params = {**top.params, "received": source.host}
    if asked:
        params["rport"] = str(source.port)
    request.stamp(Via(top.transport, top.host, top.port, params))
