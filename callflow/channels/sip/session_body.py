"""Layer 2: the session description in a message's body, or how a body that we cannot use is refused; where a
message came from.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

from callflow.channels.sip.message import Request, Response
from callflow.channels.sip.session_ground import SDP, Refusal

_MOST_PARTS = 8
_MOST_HOPS = 4


def description_in(message: Request | Response) -> bytes:
    """The SDP of a message, also as a part of ``multipart/mixed`` (RFC 5621); empty: it has none."""
    if not message.body:
        return b""
    if message.content_type == SDP:
        return message.body
    if message.content_type.startswith("multipart/"):
        return _part(message.get("Content-Type"), message.body)
    return b""


def signalled_from(message: Request | Response) -> tuple[str, ...]:
    """The addresses at which the signalling sees the far end, for RTP that comes from elsewhere than the SDP
    says (NAT): where the message came from, and before that what proxies have noted in Via (``received``).
    """
    seen = [message.peer]
    if isinstance(message, Request):
        seen += [via.params.get("received", "") for via in message.vias[1:_MOST_HOPS]]
    found: dict[str, None] = {}
    for text in seen:
        try:
            address = ip_address(text.strip("[]"))
        except ValueError:
            continue
        inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        found[str(inner or address)] = None
    return tuple(found)


def judge_body(request: Request) -> Refusal | None:
    """415 or 406 for a body, or a wish for one, that we do not understand (RFC 3261 8.2.3, 21.4.7)."""
    coding = request.get("Content-Encoding").strip().lower()
    if coding not in ("", "identity"):
        return Refusal(415, headers=(("Accept-Encoding", "identity"),))
    optional = "handling=optional" in request.get("Content-Disposition").replace(" ", "").lower()
    if request.body and not optional and not description_in(request):
        return Refusal(415, headers=(("Accept", SDP),))
    accepts = ",".join(request.all("Accept")).lower()
    if accepts.strip() and not any(kind in accepts for kind in (SDP, "application/*", "*/*")):
        return Refusal(406, headers=(("Accept", SDP),))
    return None


def _part(content_type: str, body: bytes) -> bytes:
    found = re.search(r'boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', content_type, re.IGNORECASE)
    if found is None:
        return b""
    boundary = b"--" + (found[1] or found[2]).encode()
    for part in body.split(boundary, _MOST_PARTS)[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        if re.search(rb"(?im)^(content-type|c)\s*:\s*application/sdp", head):
            return content.removesuffix(b"\r\n")
    return b""
