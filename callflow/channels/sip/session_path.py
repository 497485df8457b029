"""Layer 2: requests of one dialog on their way: in order, to where the dialog says, challenges answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from callflow.channels.sip.dialog import Dialog
from callflow.channels.sip.digest_client import DigestAnswers
from callflow.channels.sip.message import Request, Response
from callflow.channels.sip.session_ground import SDP, Alarms, Ground, HeaderList
from callflow.channels.sip.stack import ClientTransaction
from callflow.channels.sip.transport import Hop
from callflow.errors import TransportFailed

Done = Callable[[int, Response | None], None]
"""The final status, and the response; 408 and 503 without one: it timed out, or could not be sent."""

PATIENCE_S = 60.0
"""A re-INVITE that has got no more than a provisional response for so long is cancelled: without that, who
vanishes then leaves a transaction behind for ever.
"""

_MOST_TRIES = 3
_WITH_CONTACT = ("INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY")


class Path:
    """Sends the requests of ``dialog``. ``flow``: where they go whatever the Contact says (NAT, a stream
    connection); None: as the route set and the remote target say.
    """

    def __init__(
        self, ground: Ground, dialog: Dialog, digest: DigestAnswers, flow: Hop | None, last: Hop
    ) -> None:
        self.ground = ground
        self.dialog = dialog
        self.digest = digest
        self._flow = flow
        self._last = last
        self._hop = flow
        self._waiting: list[Callable[[Hop | None], None]] = []
        self._looking: asyncio.Task[None] | None = None

    def contact(self) -> Hop:
        """The hop that our Contact must fit."""
        return self._hop or self._last

    def moved(self, flow: Hop | None) -> None:
        """The far end's address has changed; ``flow``: it is behind a NAT, at that address."""
        self._flow = self._hop = flow

    def flow_gone(self) -> bool:
        """The flow cannot be used any more; True: there was one."""
        had, self._flow = self._flow is not None, None
        self._hop = None
        return had

    def moved_target(self) -> None:
        """The remote target has changed."""
        self._hop = self._flow

    def ask(self, method: str, done: Done, *, headers: HeaderList | None = None, body: bytes = b"") -> None:
        """Send a request; ``done`` is told once how it went. A 2xx to an INVITE needs ``ack`` from there."""
        asked = _Asked(self, method, done, headers or [], body)
        self.when_found(asked.send)

    def ack(self, seq: int, headers: HeaderList, body: bytes, keep: Callable[[Request], None]) -> None:
        """Send the ACK of a 2xx; ``keep`` gets it, to be sent again."""

        def send(hop: Hop | None) -> None:
            request = self.dialog.ack(seq, headers, body)
            keep(request)
            if hop is not None:
                self.ground.stack.send_ack(request, hop)

        self.when_found(send)

    def resend_ack(self, request: Request) -> None:
        """The 2xx came again: so does its ACK."""
        self.when_found(lambda hop: self.ground.stack.send_ack(request, hop) if hop else None)

    def when_found(self, send: Callable[[Hop | None], None]) -> None:
        """Call ``send`` with the hop once it is known (None: there is no way), in order."""
        if self._hop is not None and not self._waiting:
            send(self._hop)
            return
        self._waiting.append(send)
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())

    def close(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        try:
            hop = await self.ground.stack.hop_for(self.dialog.target, self.dialog.routes)
        except TransportFailed:
            hop = None
        self._looking = None
        self._hop = self._flow or hop
        waiting, self._waiting = self._waiting, []
        for send in waiting:
            send(self._hop)


class _Asked:
    """One request (a ``ClientUser``)."""

    def __init__(self, path: Path, method: str, done: Done, headers: HeaderList, body: bytes) -> None:
        self._path = path
        self._method = method
        self._done = done
        self._headers = headers
        self._body = body
        self._tries = 0
        self._over = False
        self._ack: Request | None = None
        self._alarms = Alarms()

    def send(self, hop: Hop | None) -> None:
        if hop is None:
            self._finish(503, None)
            return
        self._tries += 1
        path, dialog = self._path, self._path.dialog
        request = dialog.request(
            self._method,
            contact=path.ground.contact(hop) if self._method in _WITH_CONTACT else None,
            headers=[
                *path.ground.agent(),
                *self._headers,
                *path.digest.headers(self._method, str(dialog.target)),
            ],
            body=self._body,
            content_type=_body_type(self._method) if self._body else "",
        )
        transaction = path.ground.stack.send_request(request, hop, self)
        if self._method == "INVITE":
            self._alarms.set("patience", PATIENCE_S, transaction.cancel)

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        if not response.is_final:
            return
        if self._method == "INVITE" and response.is_success:
            self._accepted(response)
            return
        challenged = response.status in (401, 407) and self._tries < _MOST_TRIES and not self._over
        if challenged and self._path.digest.answer(response):
            self._path.when_found(self.send)
            return
        self._finish(response.status, response)

    def on_timeout(self, transaction: ClientTransaction) -> None:
        self._finish(408, None)

    def on_failed(self, transaction: ClientTransaction, error: TransportFailed) -> None:
        if not self._over and self._path.flow_gone():
            self._path.when_found(self.send)  # its connection is gone: perhaps its Contact is there
        else:
            self._finish(503, None)

    def _accepted(self, response: Response) -> None:
        if self._over:
            if self._ack is not None:
                self._path.resend_ack(self._ack)
            return
        self._finish(response.status, response)
        # After done(): that has taken in a new remote target, where the ACK goes.
        headers = self._path.digest.headers("ACK", str(self._path.dialog.target))
        self._path.ack(response.cseq.number, headers, b"", self._keep)

    def _keep(self, request: Request) -> None:
        self._ack = request

    def _finish(self, status: int, response: Response | None) -> None:
        self._alarms.clear()
        if not self._over:
            self._over = True
            self._done(status, response)


def _body_type(method: str) -> str:
    return "message/sipfrag;version=2.0" if method == "NOTIFY" else SDP
