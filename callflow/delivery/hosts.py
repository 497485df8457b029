"""Layer 2: what a host's rule means for a request: headers with credentials, TLS, proxy.

Secrets are read here, at the moment of use. A proxy is the operator's word, so its own address needs no leave
of the guard; what it is asked for does: an address is judged as it stands, a name is looked up here and
refused if any of its addresses is, unless ``proxy_resolves`` says that the proxy sees to that.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callflow.delivery.guard import Guard
from callflow.delivery.urls import HttpUrl
from callflow.documents.delivery_hosts import PLAIN, HostRule, rule_for
from callflow.documents.secrets import reveal
from callflow.errors import BlockedAddress, FetchError, SettingsError

_MOST_CONTEXTS = 64
_LONGEST = 16 * 1024  # of all a rule's headers: servers refuse more


class Hosts:
    """The rules of ``delivery.hosts``, and what is made of them."""

    def __init__(self, system: Mapping[str, Mapping[str, Any]]) -> None:
        self._system = system
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    def rule(self, url: HttpUrl, account: Mapping[str, Any] | None) -> HostRule:
        """``account``: the ``delivery`` of the account for which something is delivered; None: it is no
        delivery, and only what concerns the network counts. Raises SettingsError.
        """
        found = rule_for(url.host, url.port, self._system, account or {})
        if account is None and found is not PLAIN:
            return network_part(found)
        return found

    async def tls(self, rule: HostRule) -> ssl.SSLContext | bool:
        """How a server's certificate is checked, and ours shown. Raises SettingsError."""
        if not rule.ca and not rule.certificate:
            return True
        return await asyncio.to_thread(self._context, rule)

    def _context(self, rule: HostRule) -> ssl.SSLContext:
        """Made anew when a file has changed: certificates are replaced every few weeks."""
        files = tuple(name for name in (rule.ca, rule.certificate, rule.certificate_key) if name)
        try:
            key = (rule.ca, rule.certificate, rule.certificate_key, *(_print(Path(name)) for name in files))
            known = self._contexts.get(key)
            if known is None:
                known = ssl.create_default_context(cafile=rule.ca or None)
                if rule.certificate:
                    password = reveal(rule.certificate_password)
                    known.load_cert_chain(rule.certificate, rule.certificate_key or None, lambda: password)
                while len(self._contexts) >= _MOST_CONTEXTS:
                    del self._contexts[next(iter(self._contexts))]
                self._contexts[key] = known
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise SettingsError(
                f"certificates of delivery.hosts cannot be used ({', '.join(files)}): {why}",
                hint="PEM files; certificate_password if the key has one",
            ) from error
        return known


def network_part(rule: HostRule) -> HostRule:
    """``rule`` without anything that says who we are."""
    return HostRule(
        ca=rule.ca,
        proxy=rule.proxy,
        proxy_username=rule.proxy_username,
        proxy_password=rule.proxy_password,
        proxy_resolves=rule.proxy_resolves,
    )


def headers_of(rule: HostRule) -> dict[str, str]:
    """The headers that the rule adds, with their secrets. Raises SettingsError."""
    headers = {name: reveal(value) for name, value in rule.headers.items()}
    if rule.bearer:
        headers["Authorization"] = f"Bearer {reveal(rule.bearer)}"
    elif rule.username:
        headers["Authorization"] = basic(rule.username, reveal(rule.password))
    text = "".join(headers.values())
    if len(text) > _LONGEST or not text.isprintable():
        raise SettingsError(
            "a header of delivery.hosts is too long or has a control character in it",
            hint="a secret's file holds one line",
        )
    return headers


def basic(user: str, password: str) -> str:
    """``Authorization`` of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def proxy_of(rule: HostRule) -> tuple[str | None, dict[str, str]]:
    """The proxy's url, and the headers for itself. Raises SettingsError."""
    if not rule.proxy:
        return None, {}
    if not rule.proxy_username:
        return rule.proxy, {}
    return rule.proxy, {"Proxy-Authorization": basic(rule.proxy_username, reveal(rule.proxy_password))}


async def allow_through_proxy(url: HttpUrl, rule: HostRule, guard: Guard) -> None:
    """Raises BlockedAddress for what the guard refuses, FetchError for a name that cannot be looked up."""
    host = url.host.strip("[]")
    if not _is_address(host):
        if rule.proxy_resolves:
            return
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, url.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise FetchError(
                f"the name {host} cannot be resolved here, before the proxy is asked for it",
                hint="proxy_resolves: true, if the proxy looks names up and refuses private addresses",
            ) from error
        addresses = [str(info[4][0]) for info in found]
    else:
        addresses = [host]
    for address in addresses:
        refusal = guard.refusal(address)
        if refusal is not None:
            raise BlockedAddress(
                f"{host} may not be connected to: {refusal}",
                hint="list its network in delivery.allow_networks of system_config, if it is meant",
            )


def _is_address(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False
    return True


def _print(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
