"""Layer 2: the SIP stack: transports and transactions, for a user agent above (RFC 3261 8, 17, 18)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Protocol

from callflow.channels.sip.limits_transport import StackLimits
from callflow.channels.sip.message import Request, Response
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock
from callflow.errors import TransportFailed

EXTENSIONS = frozenset({"100rel", "timer", "replaces", "norefersub", "path", "outbound", "gruu", "tdialog"})
"""Option tags that a peer may require of us; any other is answered 420 by the stack."""


class ServerTransaction:
    """A request to answer. ``id`` is unique among the living; ``reliable``: TCP or TLS."""

    request: Request
    source: Hop
    reliable: bool
    id: str

    def respond(self, response: Response) -> None:
        """Send a response; the stack retransmits a final one that is not 2xx. A 2xx of an INVITE may be sent
        again and again: each call sends it once. Raises StateError after another final response.
        """
        raise NotImplementedError

    @property
    def answered(self) -> bool:
        """A final response has been sent."""
        raise NotImplementedError


class ClientTransaction:
    """A request that was sent. ``request`` has its Via; ``hop``: where it went (TCP though UDP was asked for,
    where it was too big).
    """

    request: Request
    hop: Hop

    def cancel(self, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Cancel an INVITE: now, or as soon as a provisional response comes; after a final one nothing happens.
        ``headers`` go into the CANCEL (Reason). The answer (487, or a late 2xx) comes as any other.
        """
        raise NotImplementedError


class TransactionUser(Protocol):
    """Who answers requests."""

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        """A new request: any but ACK and CANCEL."""

    def on_ack(self, request: Request, source: Hop) -> None:
        """The ACK of a 2xx (every copy of it)."""

    def on_cancel(self, transaction: ServerTransaction) -> None:
        """An INVITE without final response is cancelled: answer it 487. The CANCEL has been answered."""

    def on_no_ack(self, transaction: ServerTransaction) -> None:
        """Our final response (not 2xx) of an INVITE got no ACK in 32 s."""


class ClientUser(Protocol):
    """Who sent a request. Never called from within ``send_request``."""

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        """Every provisional and final response; of an INVITE every 2xx, retransmitted and forked ones too."""

    def on_timeout(self, transaction: ClientTransaction) -> None:
        """No final response in time (timers B and F)."""

    def on_failed(self, transaction: ClientTransaction, error: TransportFailed) -> None:
        """It could not be sent."""


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
        raise NotImplementedError

    async def listen(self, transport: str, host: str, port: int, tls: ssl.SSLContext | None = None) -> Hop:
        """Listen; ``port`` 0: any. Gives the address it got. Raises ListenError."""
        raise NotImplementedError

    def send_request(self, request: Request, hop: Hop, user: ClientUser) -> ClientTransaction:
        """Send any request but ACK, with a new top Via. Never raises for the network's sake."""
        raise NotImplementedError

    def send_ack(self, request: Request, hop: Hop) -> None:
        """Send the ACK of a 2xx. An ACK that already has a Via (it was sent before) goes out as it is."""
        raise NotImplementedError

    async def hop_for(self, uri: SipUri, routes: Sequence[NameAddr] = ()) -> Hop:
        """Where a request to ``uri`` goes: the first route, else the URI (RFC 3263 without NAPTR and SRV).
        Raises TransportFailed when the name is not known or the transport not ours.
        """
        raise NotImplementedError

    def local(self, hop: Hop) -> tuple[str, int]:
        """Our address as that peer reaches us, for Via and Contact: host (IPv6 in brackets) and listening port."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop listening, close every connection, forget every transaction."""
        raise NotImplementedError
