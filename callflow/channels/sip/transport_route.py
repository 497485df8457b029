"""Layer 2: the next hop of a request (RFC 3261 8.1.2; RFC 3263 without NAPTR and SRV)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from callflow.channels.sip.transport import DEFAULT_PORTS, Hop, ip_version
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.errors import TransportFailed


async def next_hop(uri: SipUri, routes: Sequence[NameAddr], speaks_udp: Callable[[int], bool]) -> Hop:
    """Where a request to ``uri`` goes: the first route, else the URI (its ``maddr``, else its host).

    ``speaks_udp``: whether we have a UDP socket for addresses of that IP version. Raises TransportFailed.
    """
    target = routes[0].uri if routes else uri
    if not target.is_sip or not target.host:
        raise TransportFailed(f"{target.scheme}: no address to send to")
    transport = target.transport or "udp"
    if transport not in DEFAULT_PORTS:
        raise TransportFailed(f"{transport}: only udp, tcp and tls are spoken here")
    host = (target.params.get("maddr") or target.host).strip("[]")
    port = target.port or DEFAULT_PORTS[transport]
    if ip_version(host) or transport == "tls":
        return Hop(transport, host, port)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TransportFailed(f"{host}: {error}") from None
    addresses = [str(entry[4][0]) for entry in found]
    if transport == "udp":
        addresses = [address for address in addresses if speaks_udp(ip_version(address))]
    if not addresses:
        raise TransportFailed(f"{host}: no address that we reach")
    return Hop(transport, addresses[0], port)
