"""Layer 2: our 2xx to an INVITE, sent until its ACK comes (RFC 3261 13.3.1.4)."""

from __future__ import annotations

from collections.abc import Callable

from callflow.channels.sip.message import Request, Response
from callflow.channels.sip.session_ground import GIVE_UP_S, T1, T2, Alarms
from callflow.channels.sip.stack import ServerTransaction


class Acceptance:
    """One 2xx. ``on_ack`` gets the first ACK; ``on_lost`` is told when none has come in 32 s."""

    def __init__(
        self,
        transaction: ServerTransaction,
        response: Response,
        alarms: Alarms,
        *,
        on_ack: Callable[[Request], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._transaction = transaction
        self._response = response
        self._alarms = alarms
        self._on_ack = on_ack
        self._on_lost = on_lost
        self._wait_s = T1
        self._waited_s = 0.0
        self._seq = transaction.request.cseq.number
        transaction.respond(response)
        alarms.set("accept", self._wait_s, self._again)

    def acked(self, request: Request) -> bool:
        """Is this its ACK? (Copies of it are none.)"""
        if request.cseq.number != self._seq or "accept" not in self._alarms:
            return False
        self.stop()
        self._on_ack(request)
        return True

    def stop(self) -> None:
        """Send it no more."""
        self._alarms.cancel("accept")

    def _again(self) -> None:
        self._waited_s += self._wait_s
        if self._waited_s >= GIVE_UP_S:
            self._on_lost()
            return
        self._transaction.respond(self._response)
        self._wait_s = min(self._wait_s * 2, T2, GIVE_UP_S - self._waited_s)
        self._alarms.set("accept", self._wait_s, self._again)
