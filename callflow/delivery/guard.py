"""Layer 2: which addresses may be connected to. Pure: an address in, a verdict out.

A document's url must not reach what only this machine or its network can reach (server-side request
forgery). ``ipaddress.is_global`` alone is not enough: it is true for translated forms of private IPv4
addresses and for multicast, so the IPv4 address inside is taken out and looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from callflow.errors import SettingsError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 2.5.5.1, deprecated
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214 6.1
_REFUSED: tuple[Network, ...] = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # RFC 8215: a network's own NAT64
    ipaddress.IPv6Network("5f00::/16"),  # RFC 9602: segment routing
    ipaddress.IPv6Network("fec0::/10"),  # RFC 3879: site-local
    ipaddress.IPv6Network("100::/64"),  # RFC 6666: discard
    ipaddress.IPv4Network("192.88.99.0/24"),  # RFC 7526: 6to4 relay
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments
)


class Guard:
    """Says no to addresses that are not public, except those of ``allow_networks`` (CIDRs).

    ``allow_loopback``: pretend calls and tests talk to receivers on this machine.
    Raises SettingsError for a network that cannot be read.
    """

    def __init__(self, allow_networks: Iterable[str] = (), *, allow_loopback: bool = False) -> None:
        self._networks = tuple(_network(text) for text in allow_networks)
        self._allow_loopback = allow_loopback

    def refusal(self, address: str) -> str | None:
        """Why ``address`` (an IP literal) may not be connected to; None: it may."""
        try:
            outer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return f"{address!r} is not an IP address"
        if self._allowed(outer):
            return None
        inside = embedded(outer)
        for one in inside or (outer,):
            kind = None if self._allowed(one) else _kind(one)
            if kind is not None:
                return f"{outer} is {kind}" if one is outer else f"{outer} stands for {one}, which is {kind}"
        return None

    def _allowed(self, address: Address) -> bool:
        if self._allow_loopback and address.is_loopback:
            return True
        return any(address in network for network in self._networks)


def embedded(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address stands for: mapped, NAT64, 6to4, Teredo, ISATAP; none: ()."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF),)
    if address in _COMPATIBLE and int(address) > 1:  # :: and ::1 are themselves
        return (ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return (ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF),)
    return ()


def _kind(address: Address) -> str | None:
    """What is wrong with an address, in words; None: it is public."""
    if address.is_loopback:
        return "this machine itself (loopback)"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified:
        return "no address at all"
    if address.is_link_local:
        return "a link-local address"
    if any(address in network for network in _REFUSED) or not address.is_global:
        return "a private or reserved address"
    return None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise SettingsError(
            f"delivery.allow_networks: {text!r} is not a network",
            hint='write CIDRs, such as "10.1.0.0/16" or "192.168.7.4/32"',
        ) from error
