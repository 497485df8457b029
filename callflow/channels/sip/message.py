"""Layer 2: SIP messages (RFC 3261 7): read from bytes, made, written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callflow.channels.sip.header import CSeq, Headers
from callflow.channels.sip.header_via import Via
from callflow.channels.sip.limits_transport import StackLimits
from callflow.channels.sip.uri import NameAddr, SipUri

LIMITS = StackLimits()


class _Message:
    """What requests and responses share. A message that ``read_message`` gave has been checked: the typed
    properties below do not raise.
    """

    headers: Headers
    body: bytes

    def get(self, name: str, default: str = "") -> str:
        """The first value of that header."""
        return self.headers.get(name, default)

    def all(self, name: str) -> list[str]:
        """Every value of that header, one a line."""
        return self.headers.all(name)

    @property
    def call_id(self) -> str:
        raise NotImplementedError

    @property
    def from_(self) -> NameAddr:
        raise NotImplementedError

    @property
    def to(self) -> NameAddr:
        raise NotImplementedError

    @property
    def cseq(self) -> CSeq:
        raise NotImplementedError

    @property
    def via(self) -> Via:
        """The top one."""
        raise NotImplementedError

    @property
    def vias(self) -> list[Via]:
        raise NotImplementedError

    @property
    def contacts(self) -> list[NameAddr]:
        raise NotImplementedError

    @property
    def contact(self) -> NameAddr | None:
        """The first one."""
        raise NotImplementedError

    @property
    def routes(self) -> list[NameAddr]:
        raise NotImplementedError

    @property
    def record_routes(self) -> list[NameAddr]:
        raise NotImplementedError

    @property
    def max_forwards(self) -> int:
        """70 where the header is absent."""
        raise NotImplementedError

    @property
    def content_type(self) -> str:
        """``application/sdp``: lower case, without parameters; "" where the header is absent."""
        raise NotImplementedError

    @property
    def require(self) -> frozenset[str]:
        """Option tags, lower case."""
        raise NotImplementedError

    @property
    def supported(self) -> frozenset[str]:
        """Option tags, lower case."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """As it goes on the wire; Content-Length is always written. Raises ValueError for a value with CR or LF."""
        raise NotImplementedError


class Request(_Message):
    """A request."""

    def __init__(self, method: str, uri: SipUri, headers: Headers, body: bytes = b"") -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body


class Response(_Message):
    """A response."""

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    @property
    def is_final(self) -> bool:
        return self.status >= 200

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def read_message(data: bytes, limits: StackLimits = LIMITS) -> Request | Response:
    """Read one whole message (bytes after Content-Length are dropped: a datagram may be padded).

    Raises MalformedMessage; its ``answer`` is the Response to send, or None for silence.
    """
    raise NotImplementedError


def new_request(
    method: str,
    uri: SipUri,
    *,
    from_: NameAddr,
    to: NameAddr,
    call_id: str,
    cseq: int,
    routes: Iterable[NameAddr] = (),
    contact: NameAddr | None = None,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "",
) -> Request:
    """A request without Via: ``SipStack.send_request`` and ``send_ack`` add it."""
    raise NotImplementedError


def new_response(
    request: Request,
    status: int,
    reason: str = "",
    *,
    to_tag: str = "",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "",
    contact: NameAddr | None = None,
) -> Response:
    """The response to ``request``: Via, From, To, Call-ID and CSeq are the request's (RFC 3261 8.2.6.2), and
    Record-Route in 1xx (but 100) and 2xx; ``to_tag`` is put on a To without one. ``reason`` "": the usual one.
    """
    raise NotImplementedError
