"""A user agent that answers every call at once, and others that only note what they are told: just enough to
try the stack with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from callflow.channels.sip.message import Request, Response, new_request, new_response
from callflow.channels.sip.stack import ClientTransaction, ServerTransaction, SipStack
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.errors import TransportFailed


class Uas:
    """Answers INVITE with 180 and 200 (sent again until the ACK comes), BYE and OPTIONS with 200."""

    def __init__(self, stack: SipStack) -> None:
        self.stack = stack
        stack.user = self
        self.requests: list[Request] = []
        self.acks: list[Request] = []
        self.cancelled: list[ServerTransaction] = []
        self.no_acks: list[ServerTransaction] = []
        self.answer: Callable[[Request, ServerTransaction], None] | None = None
        self._unacknowledged: dict[str, asyncio.TimerHandle] = {}

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        self.requests.append(request)
        if self.answer is not None:
            self.answer(request, transaction)
        elif request.method == "INVITE":
            transaction.respond(new_response(request, 180, to_tag="uas"))
            host, port = self.stack.local(transaction.source)
            contact = NameAddr(SipUri("sip", "uas", host, port))
            self._again(transaction, new_response(request, 200, to_tag="uas", contact=contact), 0.5, 0.0)
        else:
            transaction.respond(new_response(request, 200, to_tag="uas"))

    def _again(self, transaction: ServerTransaction, ok: Response, wait: float, waited: float) -> None:
        """RFC 3261 13.3.1.4."""
        transaction.respond(ok)
        if waited < 32:
            loop = asyncio.get_running_loop()
            self._unacknowledged[ok.call_id] = loop.call_later(
                wait, self._again, transaction, ok, min(wait * 2, 4.0), waited + wait
            )

    def on_ack(self, request: Request, source: Hop) -> None:
        self.acks.append(request)
        waiting = self._unacknowledged.pop(request.call_id, None)
        if waiting is not None:
            waiting.cancel()

    def on_cancel(self, transaction: ServerTransaction) -> None:
        self.cancelled.append(transaction)
        transaction.respond(new_response(transaction.request, 487, to_tag="uas"))

    def on_no_ack(self, transaction: ServerTransaction) -> None:
        self.no_acks.append(transaction)


class Caller:
    """Notes what comes back for its requests."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.timeouts = 0
        self.failures: list[TransportFailed] = []
        self.done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        self.responses.append(response)
        if response.is_final:
            self._end(str(response.status))

    def on_timeout(self, transaction: ClientTransaction) -> None:
        self.timeouts += 1
        self._end("timeout")

    def on_failed(self, transaction: ClientTransaction, error: TransportFailed) -> None:
        self.failures.append(error)
        self._end("failed")

    def _end(self, how: str) -> None:
        if not self.done.done():
            self.done.set_result(how)

    @property
    def statuses(self) -> list[int]:
        return [response.status for response in self.responses]


def a_request(method: str = "INVITE", *, call: str = "call-1", cseq: int = 1, body: bytes = b"") -> Request:
    """A request to nobody in particular."""
    return new_request(
        method,
        SipUri("sip", "bob", "127.0.0.1", 5060),
        from_=NameAddr(SipUri("sip", "alice", "localhost"), "", {"tag": "a-tag"}),
        to=NameAddr(SipUri("sip", "bob", "localhost")),
        call_id=call,
        cseq=cseq,
        contact=NameAddr(SipUri("sip", "alice", "127.0.0.1", 5070)),
        body=body,
        content_type="application/sdp" if body else "",
    )
