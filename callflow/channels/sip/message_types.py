"""Layer 2: SIP messages (RFC 3261 7): what requests and responses hold, typed and written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from callflow.channels.sip.header import CSeq, Headers, split_commas
from callflow.channels.sip.header_via import Via
from callflow.channels.sip.uri import NameAddr, SipUri

T = TypeVar("T")
_RPORT = re.compile(r";\s*rport\s*(?:=[0-9]*\s*)?(?=;|\Z)", re.IGNORECASE)

REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    429: "Provide Referrer Identity",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}
"""The usual reason phrases (RFC 3261 21 and its extensions)."""


class _Message:
    """What requests and responses share. A message that ``read_message`` gave has been checked: its typed
    properties do not raise. ``peer``: the numeric address that it came from; empty: it is one of ours.
    """

    __slots__ = ("_read", "body", "headers", "peer")

    def __init__(self, headers: Headers, body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.peer = ""
        self._read: dict[str, tuple[object, Any]] = {}

    def get(self, name: str, default: str = "") -> str:
        """The first value of that header."""
        return self.headers.get(name, default)

    def all(self, name: str) -> list[str]:
        """Every value of that header, one a line."""
        return self.headers.all(name)

    def _one(self, name: str, read: Callable[[str], T]) -> T:
        """The typed form of a header's first value: made once for as long as the text stays the same."""
        text = self.headers.get(name)
        known = self._read.get(name)
        if known is not None and known[0] == text:
            return cast("T", known[1])
        value = read(text)
        self._read[name] = (text, value)
        return value

    def _many(self, name: str, read: Callable[[str], list[T]]) -> list[T]:
        return list(self._each(name, read))

    def _each(self, name: str, read: Callable[[str], list[T]]) -> list[T]:
        lines = self.headers.lines().get(name.lower(), ())
        known = self._read.get(name)
        if known is not None and known[0] == lines:
            return cast("list[T]", known[1])
        values = [value for line in lines for value in read(line)]
        self._read[name] = (list(lines), values)
        return values

    @property
    def call_id(self) -> str:
        return self.headers.get("Call-ID")

    @property
    def from_(self) -> NameAddr:
        return self._one("From", NameAddr.parse)

    @property
    def to(self) -> NameAddr:
        return self._one("To", NameAddr.parse)

    @property
    def cseq(self) -> CSeq:
        return self._one("CSeq", CSeq.parse)

    @property
    def via(self) -> Via:
        """The top one."""
        return self._each("Via", _vias)[0]

    @property
    def vias(self) -> list[Via]:
        return self._many("Via", _vias)

    def set_vias(self, vias: list[Via]) -> None:
        """Replace all of them."""
        lines = [str(via) for via in vias]
        self.headers.set_all("Via", lines)
        self._read["Via"] = (lines, list(vias))

    def stamp(self, top: Via) -> None:
        """Say in the top Via where the message came from: ``received`` and ``rport`` of ``top``."""
        lines, vias = self.headers.all("Via"), self.vias
        came = f";received={top.params['received']}"
        if "," not in lines[0] and "received" not in vias[0].params:
            line, asked = _RPORT.subn(f";rport={top.params.get('rport', '')}{came}", lines[0], count=1)
            lines[0] = line if asked else lines[0] + came
            self.headers.set_all("Via", lines)
            self._read["Via"] = (lines, [top, *vias[1:]])
        else:
            self.set_vias([top, *vias[1:]])

    @property
    def contacts(self) -> list[NameAddr]:
        return self._many("Contact", NameAddr.parse_many)

    @property
    def contact(self) -> NameAddr | None:
        """The first one."""
        contacts = self.contacts
        return contacts[0] if contacts else None

    @property
    def routes(self) -> list[NameAddr]:
        return self._many("Route", NameAddr.parse_many)

    @property
    def record_routes(self) -> list[NameAddr]:
        return self._many("Record-Route", NameAddr.parse_many)

    @property
    def max_forwards(self) -> int:
        """70 where the header is absent."""
        text = self.headers.get("Max-Forwards")
        return int(text) if text.isascii() and text.isdigit() else 70

    @property
    def content_type(self) -> str:
        """``application/sdp``: lower case, without parameters; "" where the header is absent."""
        return self.headers.get("Content-Type").partition(";")[0].strip().lower()

    @property
    def require(self) -> frozenset[str]:
        """Option tags, lower case."""
        return self._tags("Require")

    @property
    def supported(self) -> frozenset[str]:
        """Option tags, lower case."""
        return self._tags("Supported")

    def _tags(self, name: str) -> frozenset[str]:
        words = ",".join(self.headers.all(name)).lower().split(",")
        return frozenset(word.strip() for word in words if word.strip())

    @property
    def start_line(self) -> str:
        """The first line."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """As it goes on the wire; Content-Length is always written. Raises ValueError for a line break in the
        first line (``Headers`` refuses them in values).
        """
        start = self.start_line
        if "\r" in start or "\n" in start:
            raise ValueError("a line break in the first line of a SIP message")
        lines = [f"{name}: {value}\r\n" for name, value in self.headers if name != "Content-Length"]
        head = f"{start}\r\n{''.join(lines)}Content-Length: {len(self.body)}\r\n\r\n"
        return head.encode("utf-8", "replace") + self.body


class Request(_Message):
    """A request."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: SipUri, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri = uri

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.cseq.number}>"


class Response(_Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    @property
    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    @property
    def is_final(self) -> bool:
        return self.status >= 200

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.get('CSeq')}>"


def _vias(line: str) -> list[Via]:
    return [Via.parse(value) for value in split_commas(line)]
