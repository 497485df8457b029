"""Layer 2: dialogs (RFC 3261 12): tags, route set, remote target, CSeq in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callflow.channels.sip.message import Request, Response, new_request
from callflow.channels.sip.uri import NameAddr, SipUri

MOST_ROUTES = 32


@dataclass(slots=True)
class Dialog:
    """One dialog. ``local`` and ``remote`` have their tags; ``remote_seq`` -1: no request has come yet."""

    call_id: str
    local: NameAddr
    remote: NameAddr
    target: SipUri
    routes: tuple[NameAddr, ...]
    local_seq: int = 0
    remote_seq: int = -1

    @property
    def key(self) -> tuple[str, str, str]:
        """Call-ID, our tag, the far end's: what its requests name."""
        return self.call_id, self.local.tag, self.remote.tag

    def request(
        self,
        method: str,
        *,
        contact: NameAddr | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> Request:
        """The next request of ours."""
        self.local_seq += 1
        return self._make(method, self.local_seq, contact, headers, body, content_type)

    def ack(self, seq: int, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """The ACK of a 2xx to the INVITE with that CSeq."""
        content_type = "application/sdp" if body else ""
        return self._make("ACK", seq, None, headers, body, content_type)

    def follows(self, request: Request) -> bool:
        """Take in a request of the far end; False: it is older than one that has come (RFC 3261 12.2.2)."""
        number = request.cseq.number
        if number <= self.remote_seq:
            return False
        self.remote_seq = number
        return True

    def refresh(self, message: Request | Response) -> bool:
        """A target refresh (INVITE, UPDATE and their 2xx): True when the far end has moved."""
        contact = message.contact
        if contact is None or not usable_target(contact) or contact.uri == self.target:
            return False
        self.target = contact.uri
        return True

    def _make(
        self,
        method: str,
        seq: int,
        contact: NameAddr | None,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        content_type: str,
    ) -> Request:
        return new_request(
            method,
            self.target,
            from_=self.local,
            to=self.remote,
            call_id=self.call_id,
            cseq=seq,
            routes=self.routes,
            contact=contact,
            headers=headers,
            body=body,
            content_type=content_type,
        )


def usable_target(contact: NameAddr | None) -> bool:
    """Whether requests can be sent there."""
    return contact is not None and not contact.is_star and contact.uri.is_sip and bool(contact.uri.host)


def as_server(request: Request, tag: str) -> Dialog:
    """The dialog that our answer to an INVITE makes; ``tag``: ours. The request has a usable Contact."""
    contact = request.contact
    assert contact is not None
    return Dialog(
        request.call_id,
        request.to.with_tag(tag),
        request.from_,
        contact.uri,
        tuple(request.record_routes[:MOST_ROUTES]),
        remote_seq=request.cseq.number,
    )


def as_client(request: Request, response: Response) -> Dialog:
    """The dialog that a 1xx with a tag or a 2xx makes of our INVITE."""
    contact = response.contact
    target = contact.uri if contact is not None and usable_target(contact) else request.uri
    return Dialog(
        request.call_id,
        request.from_,
        response.to,
        target,
        tuple(reversed(response.record_routes[:MOST_ROUTES])),
        local_seq=request.cseq.number,
    )
