"""Layer 2: the accounts' gateways on the network: whose address is this, and who has failed lately."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from callflow.documents.accounts import Account
from callflow.documents.resources import Gateway, gateways_of
from callflow.log import logger, one_line

Resolve = Callable[[str], Awaitable[tuple[str, ...]]]
"""The addresses of a host name; none: it has none now."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TROUBLES = frozenset({0, 408, 500, 502, 503, 504})
"""Answers (0: none) after which a gateway rests: they say that it, not the callee, is in trouble."""

RESOLVE_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Trunk:
    """An account's carrier that a call came from."""

    account_id: str
    resource_id: str


async def resolve_host(name: str) -> tuple[str, ...]:
    """The addresses of ``name`` as the system says."""
    try:
        async with asyncio.timeout(RESOLVE_WITHIN_S):
            rows = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


class Trunks:
    """All gateways. Names are known by their addresses only after ``refresh``."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self.gateways = {
            (g.account_id, g.key): g for account in accounts.values() for g in gateways_of(account)
        }
        self._names: dict[str, tuple[str, ...]] = {}
        self._by_address: dict[str, list[Trunk]] = {}
        self._networks: list[tuple[Network, Trunk]] = []
        self._index()

    def of_account(self, account_id: str) -> bool:
        """Whether the account has any gateway."""
        return any(owner == account_id for owner, _ in self.gateways)

    def find(self, account_id: str, key: str) -> Gateway | None:
        """The gateway of that key (``Gateway.key``)."""
        return self.gateways.get((account_id, key))

    def at(self, host: str) -> list[Trunk]:
        """The trunks that calls from this address may belong to, one for each account."""
        found = list(self._by_address.get(host, ()))
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return found
        found += [trunk for network, trunk in self._networks if address in network]
        first: dict[str, Trunk] = {}
        for trunk in found:
            first.setdefault(trunk.account_id, trunk)
        return list(first.values())

    async def refresh(self, resolve: Resolve = resolve_host) -> None:
        """Look up the gateways' names. A name that has no address now keeps those that it had."""
        names = sorted({g.server for g in self.gateways.values() if _network(g.server) is None})
        for name, addresses in zip(names, await asyncio.gather(*map(resolve, names)), strict=True):
            if addresses:
                self._names[name] = addresses
            else:
                logger.warning("gateway %s has no address now", one_line(name, 100))
        self._index()

    def inherit(self, before: Trunks) -> None:
        """Take over what names meant before documents changed."""
        self._names = dict(before._names)
        self._index()

    def _index(self) -> None:
        self._by_address, self._networks = {}, []
        for gateway in self.gateways.values():
            trunk = Trunk(gateway.account_id, gateway.resource_id)
            for said in (gateway.server, *gateway.inbound_ips):
                network = _network(said)
                if network is not None and network.num_addresses > 1:
                    self._networks.append((network, trunk))
                    continue
                addresses = self._names.get(said, ()) if network is None else (str(network[0]),)
                for address in addresses:
                    self._by_address.setdefault(address, []).append(trunk)


def _network(text: str) -> Network | None:
    """An address or network (CIDR), or None for a name."""
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


class GatewayHealth:
    """Gateways that failed rest for a while: they are tried after all others."""

    def __init__(self, rest_s: float) -> None:
        self.rest_s = rest_s
        self._until: dict[tuple[str, str], float] = {}

    def resting(self, gateway: Gateway, now: float) -> bool:
        """Whether it failed less than ``rest_s`` seconds ago."""
        return now < self._until.get((gateway.account_id, gateway.key), float("-inf"))

    def outcome(self, gateway: Gateway, status: int, now: float) -> None:
        """A call by ``gateway`` had this first final status (0: no answer, no connection)."""
        key = (gateway.account_id, gateway.key)
        if status in TROUBLES:
            self._until[key] = now + self.rest_s
        else:
            self._until.pop(key, None)
