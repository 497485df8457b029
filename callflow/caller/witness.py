"""Layer 5: a SIP stack that remembers how each call's INVITE fared, in the words of the network."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from callflow.channels.sip.message import Request, Response
from callflow.channels.sip.stack import ClientTransaction, ClientUser, SipStack
from callflow.channels.sip.transport import Hop
from callflow.clock import Clock
from callflow.errors import TransportFailed


@dataclass(slots=True)
class Fate:
    """Of one INVITE. Times are the clock's; ``answered``: its first 2xx. ``status`` and ``reason``: its last
    final response. ``failure``: why it could not be sent; ``silent``: nobody answered it in time.
    """

    began: float
    hop: Hop
    answered: float | None = None
    status: int = 0
    reason: str = ""
    warning: str = ""
    failure: str = ""
    silent: bool = False


class WitnessStack(SipStack):
    """Notes in ``fates`` what becomes of INVITEs, by Call-ID; who is done with one takes it out."""

    def __init__(self, clock: Clock, *, tls_client: ssl.SSLContext | None = None) -> None:
        super().__init__(clock, tls_client=tls_client)
        self.fates: dict[str, Fate] = {}
        self._now = clock.now

    def send_request(self, request: Request, hop: Hop, user: ClientUser) -> ClientTransaction:
        if request.method != "INVITE" or request.to.tag:
            return super().send_request(request, hop, user)
        fate = self.fates.setdefault(request.call_id, Fate(self._now(), hop))
        fate.hop = hop
        return super().send_request(request, hop, _Witness(fate, user, self._now))


class _Witness:
    """Between the stack and who sent the INVITE."""

    def __init__(self, fate: Fate, user: ClientUser, now: Callable[[], float]) -> None:
        self._fate = fate
        self._user = user
        self._now = now

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        fate = self._fate
        if response.status >= 200:
            fate.status, fate.reason = response.status, response.reason
            fate.warning = response.get("Warning")
            if response.is_success and fate.answered is None:
                fate.answered = self._now()
        self._user.on_response(response, transaction)

    def on_timeout(self, transaction: ClientTransaction) -> None:
        self._fate.silent = True
        self._user.on_timeout(transaction)

    def on_failed(self, transaction: ClientTransaction, error: TransportFailed) -> None:
        self._fate.failure = error.message
        self._user.on_failed(transaction, error)
