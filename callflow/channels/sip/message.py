"""Layer 2: SIP messages (RFC 3261 7): read from bytes, made; what is answered to those that cannot be used
(RFC 4475, docs/sip.md).

Lenient where the meaning is clear, exact where it is not: a request that means something else to the next
reader is refused with 400 and a reason phrase that says what is wrong; a response is dropped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from callflow.channels.sip.header import Headers, is_token
from callflow.channels.sip.header_via import MAGIC
from callflow.channels.sip.limits import StackLimits
from callflow.channels.sip.message_types import REASONS, Request, Response
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.errors import MalformedMessage

__all__ = [
    "REASONS",
    "Request",
    "Response",
    "new_request",
    "new_response",
    "read_message",
    "refusal",
    "stateless_tag",
]

LIMITS = StackLimits()
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_ASKS = re.compile(r"(\S+)\s.*\sSIP/[0-9]+\.[0-9]+\s*", re.IGNORECASE | re.DOTALL)
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE)
_DATE = re.compile(r"\w+, [0-9]{1,2} \w+ [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
_NEEDED = ("Via", "From", "To", "Call-ID", "CSeq")
_ONCE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type", "Date")
_NEEDED_KEYS = [(name, name.lower()) for name in _NEEDED]
_ONCE_KEYS = [(name, name.lower()) for name in _ONCE]
_READINGS = {
    "From": "from_",
    "CSeq": "cseq",
    "To": "to",
    "Via": "vias",
    "Contact": "contacts",
    "Route": "routes",
}
_TYPED = [
    (name, name.lower(), reading) for name, reading in {**_READINGS, "Record-Route": "record_routes"}.items()
]
"""Headers that are read when the message is, and the property that does it."""


def read_message(data: bytes, limits: StackLimits = LIMITS) -> Request | Response:
    """Read one whole message (bytes after Content-Length are dropped: a datagram may be padded).

    Raises MalformedMessage; its ``answer`` is the Response to send, or None for silence.
    """
    if data.startswith((b"\r", b"\n")):
        data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    head = _text(data[: min(end if end >= 0 else len(data), limits.header_bytes)])
    if "\r\n " in head or "\r\n\t" in head:
        head = _FOLD.sub(" ", head)
    lines = head.split("\r\n")
    is_response = lines[0][:4].upper() == "SIP/"
    try:
        if end < 0:
            raise MalformedMessage("no empty line after the headers")
        if end > limits.header_bytes or len(lines) > limits.header_count + 1:
            raise _refused(513, "too many headers")
        if not head.count("\r") == head.count("\n") == len(lines) - 1:
            raise MalformedMessage("a line break that is not CR LF")
        body = data[end + 4 :]
        return _response(lines, body, limits) if is_response else _request(lines, body, limits)
    except MalformedMessage as error:
        error.answer = None if is_response else _answer(lines, error)
        raise


def refusal(data: bytes, why: MalformedMessage) -> Response | None:
    """The answer to a request of which only the beginning is known; None: silence."""
    lines = _FOLD.sub(" ", _text(data.partition(b"\r\n\r\n")[0])).split("\r\n")
    return None if lines[0][:4].upper() == "SIP/" else _answer(lines, why)


def _text(data: bytes) -> str:
    """UTF-8, and Latin-1 where it is not: old phones write names so."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _refused(status: int, message: str) -> MalformedMessage:
    error = MalformedMessage(message)
    error.status = status
    return error


def _response(lines: list[str], body: bytes, limits: StackLimits) -> Response:
    found = _STATUS.fullmatch(lines[0])
    if found is None:
        raise MalformedMessage("a status line that cannot be read")
    headers = Headers.read(lines[1:])
    response = Response(int(found[1]), found[2] or "", headers, _body(headers, body, limits))
    _check(response)
    return response


def _request(lines: list[str], body: bytes, limits: StackLimits) -> Request:
    parts = lines[0].split(" ")
    if len(parts) != 3 or not is_token(parts[0]):
        raise MalformedMessage("a request line that is not METHOD URI SIP/2.0")
    method, target, version = parts
    headers = Headers.read(lines[1:])
    if version.upper() != "SIP/2.0":
        if _VERSION.fullmatch(version):
            raise _refused(505, "only SIP/2.0 is spoken here")
        raise MalformedMessage("a request line that does not end with SIP/2.0")
    try:
        uri = SipUri.parse(target)
    except MalformedMessage as error:
        raise MalformedMessage(f"request URI: {error.message}") from None
    if not (uri.is_sip or uri.scheme == "tel"):
        raise _refused(416, "only sip, sips and tel are known here")
    if uri.headers:
        raise MalformedMessage("request URI: headers are not allowed in it")
    request = Request(method, uri, headers, _body(headers, body, limits))
    _check(request)
    if request.cseq.method != method:
        raise MalformedMessage("CSeq: its method is not that of the request")
    if request.via.branch == MAGIC:
        raise MalformedMessage("Via: a branch without an identifier")
    date = headers.get("Date")
    if date and not _DATE.fullmatch(date):
        raise MalformedMessage("Date: it must be GMT")
    if method == "REGISTER" and not request.to.uri.is_sip and request.to.uri.scheme != "tel":
        raise MalformedMessage("To: only a SIP address can be registered")
    return request


def _body(headers: Headers, body: bytes, limits: StackLimits) -> bytes:
    if "Content-Length" in headers:
        if len(headers.all("Content-Length")) > 1:
            raise MalformedMessage("Content-Length: more than one")
        text = headers.get("Content-Length")
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise MalformedMessage("Content-Length: not a number")
        length = int(text)
        if length > len(body):
            raise MalformedMessage("Content-Length: more than the message has")
        body = body[:length]
    if len(body) > limits.body_bytes:
        raise _refused(513, "too long a body")
    return body


def _check(message: Request | Response) -> None:
    """Every header that the typed properties read."""
    lines = message.headers.lines()
    for name, key in _NEEDED_KEYS:
        if key not in lines or not lines[key][0]:
            raise MalformedMessage(f"{name}: missing")
    for name, key in _ONCE_KEYS:
        if key in lines and len(lines[key]) > 1:
            raise MalformedMessage(f"{name}: more than one")
    hops = message.headers.get("Max-Forwards")
    if hops and not (hops.isascii() and hops.isdigit() and len(hops) < 10 and int(hops) <= 255):
        raise MalformedMessage("Max-Forwards: not a number from 0 to 255")
    for name, key, reading in _TYPED:
        if key in lines:
            try:
                getattr(message, reading)
            except MalformedMessage as error:
                raise MalformedMessage(f"{name}: {error.message}") from None
    for name, address in (("From", message.from_), ("To", message.to)):
        if address.is_star:
            raise MalformedMessage(f"{name}: * is no address")


def _answer(lines: list[str], error: MalformedMessage) -> Response | None:
    """What an unusable request gets: None for what cannot be answered (no Via) or must not be (ACK)."""
    found = _ASKS.fullmatch(lines[0])
    if found is None or found[1] == "ACK":
        return None
    usable = []
    for line in lines[1:]:
        name, colon, _ = line.partition(":")
        if colon and is_token(name.strip()) and "\n" not in line and "\r" not in line:
            usable.append(line)
    asked = Headers.read(usable)
    if not asked.get("Via").upper().startswith("SIP"):
        return None
    made = copied(asked)
    for name in _NEEDED[1:]:
        made.set_all(name, made.all(name)[:1])
    to = made.get("To")
    if to and ";tag" not in to:
        made.set("To", f"{to};tag={stateless_tag(asked)}")
    return Response(error.status, f"{REASONS[error.status]} - {error.message}", made)


def stateless_tag(asked: Headers) -> str:
    """A To tag that is the same for every copy of a request, without remembering any (RFC 3261 8.2.7)."""
    identity = f"{asked.get('Call-ID')} {asked.get('From')} {asked.get('CSeq')}"
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:16]


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
    if not is_token(method):
        raise ValueError("a SIP method must be a token")
    made = Headers()
    for route in routes:
        made.add("Route", str(route))
    made.add("Max-Forwards", "70")
    made.add("From", str(from_))
    made.add("To", str(to))
    made.add("Call-ID", call_id)
    made.add("CSeq", f"{cseq} {method}")
    _finish(made, headers, content_type, contact)
    return Request(method, uri, made, body)


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
    Record-Route in 1xx (but 100) and 2xx; ``to_tag`` is put on a To without one, ``reason`` "": the usual.
    """
    made = copied(request.headers, with_routes=100 < status < 300)
    if to_tag and not request.to.tag:
        made.set("To", f"{made.get('To')};tag={to_tag}")
    _finish(made, headers, content_type, contact)
    return Response(status, reason or REASONS.get(status, "Unknown"), made, body)


def copied(asked: Headers, with_routes: bool = False) -> Headers:
    """The headers that a response takes over from its request, as far as they are there."""
    return asked.taken((*_NEEDED, "Record-Route") if with_routes else _NEEDED)


def _finish(
    made: Headers, headers: Sequence[tuple[str, str]], content_type: str, contact: NameAddr | None
) -> None:
    if contact is not None:
        made.add("Contact", str(contact))
    for name, value in headers:
        made.add(name, value)
    if content_type:
        made.set("Content-Type", content_type)
