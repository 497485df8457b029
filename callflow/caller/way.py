"""Layer 5: from what a person writes to where a call goes: the URI, the address, whether anybody is there."""

from __future__ import annotations

import asyncio
import re
import socket

from callflow.channels.sip.stack import SipStack
from callflow.channels.sip.transport import Hop, ip_version
from callflow.channels.sip.uri import SipUri
from callflow.errors import ListenError, MalformedMessage, TransportFailed

_HOW = "write it as sip:USER@HOST or sip:USER@HOST:PORT"
_KEEP_ALIVE = b"\r\n\r\n"
"""What a SIP server takes and does not answer on UDP (RFC 5626 3.5.1 has it for streams)."""
_PROBE_S = 0.1
_NUMBER = re.compile(r"(sips?:)?\+?[\d*#]+", re.IGNORECASE)
_OTHER = re.compile(r"(?!sips?:|tel:)([A-Za-z][A-Za-z0-9+.-]*)://", re.IGNORECASE)
_SCHEME = re.compile(r"(?:sips?|tel):|[A-Za-z][A-Za-z0-9+.-]*:(?!\d+$)", re.IGNORECASE)
"""``sip:...``; but ``localhost:5060`` is a host and its port."""


def read_target(text: str, transport: str) -> SipUri:
    """Whom to call; without a scheme it is ``sip:``, without a transport ``transport``. Raises
    MalformedMessage.
    """
    if _NUMBER.fullmatch(text):
        number = text.rpartition(":")[2]
        raise MalformedMessage(f"{text!r} says no host", hint=f"such as sip:{number}@127.0.0.1:5060")
    scheme = _OTHER.match(text)
    if scheme:
        raise MalformedMessage(f"{text!r} is not a SIP URI: its scheme is {scheme[1]}", hint=_HOW)
    try:
        uri = SipUri.parse(text if _SCHEME.match(text) else f"sip:{text}")
    except MalformedMessage as error:
        raise MalformedMessage(f"{text!r} is not a SIP URI: {error.message}", hint=_HOW) from None
    if not uri.is_sip:
        raise MalformedMessage(f"{text!r} has no host to send the call to", hint=_HOW)
    if not uri.transport and transport != "udp":
        uri = uri.with_params({"transport": transport})
    return uri


async def find_hop(stack: SipStack, uri: SipUri) -> Hop:
    """Where requests to ``uri`` go. Raises TransportFailed: no such host, or nobody listens there (UDP: as
    far as the peer's machine says so).
    """
    try:
        hop = await stack.hop_for(uri)
    except TransportFailed as error:
        if ip_version(uri.host):
            raise
        raise unknown(uri.host) from error
    if hop.transport == "udp" and await _refused(hop):
        raise TransportFailed(
            f"{hop}: nobody listens there",
            hint="is it up? callflow serve says its URIs; perhaps it speaks only --tcp",
        )
    return hop


async def local_host(towards: str) -> str:
    """Our address on the way to a host. Raises TransportFailed for a name that is not known, ListenError
    where there is no way.
    """
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(towards.strip("[]"), 5060, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise unknown(towards) from None
    family, _, _, _, address = rows[0]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(address)
        except OSError as error:
            raise ListenError(f"there is no way from here to {towards}: {error.strerror}") from None
        return str(sock.getsockname()[0])


def unknown(host: str) -> TransportFailed:
    """For a name without an address."""
    return TransportFailed(
        f"no such host: {host}", hint="is the name right? An address such as 127.0.0.1 works, too"
    )


async def _refused(hop: Hop) -> bool:
    """Whether the peer's machine says at once that nobody has that UDP port."""
    family = socket.AF_INET6 if ":" in hop.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect((hop.host, hop.port))
            sock.send(_KEEP_ALIVE)
            async with asyncio.timeout(_PROBE_S):
                await asyncio.get_running_loop().sock_recv(sock, 1)
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError):
            return False
    return False
