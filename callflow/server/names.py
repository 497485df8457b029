"""Layer 6: which names the server may be called by, and what browsers are told about every answer.

A web page of a stranger can let a name of its own point to 127.0.0.1 (DNS rebinding), and would then be of
the same origin as what listens there. So a server on loopback answers only who names an address,
``localhost``, or a name that the operator has given it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Set
from urllib.parse import urlsplit

from aiohttp import web

from callflow.errors import ApiError

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""Of every answer that says nothing else: it is no page, nothing of it runs, and no other site has it."""


def is_named(host: str, names: Set[str]) -> bool:
    """May who sends this ``Host`` be answered? ``names``: in small letters, besides addresses and localhost.
    None at all is no browser's.
    """
    if not host:
        return True
    name = (host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]).lower()
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def check_name(request: web.Request, names: Set[str], public_url: str) -> None:
    """Raises ApiError 421. ``public_url``: its name is one of ours, too."""
    public = (urlsplit(public_url).hostname or "") if public_url else ""
    if not is_named(request.headers.get("Host", ""), {*names, public.lower()}):
        raise ApiError(
            421,
            "this server is not called by that name",
            hint="use its address or localhost, or start it with --http-name NAME",
        )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What the answer does not say itself (a signal of aiohttp's applications)."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "callflow"  # not which version of what
