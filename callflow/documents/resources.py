"""Layer 1: an account's carriers (``resources/*.json``, as in Kazoo): which gateways take a number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from callflow.documents.accounts import Account
from callflow.documents.formatters import UNCHANGED, Formatters, read_formatters
from callflow.documents.patterns import Pattern, compile_pattern

DEFAULT_WEIGHT = 50
PROGRESS_TIMEOUT_S = 8.0
"""So long a gateway may say nothing (or only 100) when its document does not say how long."""
EMERGENCY = frozenset({"112", "911", "933", "999"})
"""Numbers for which resources with ``emergency`` come first."""

MAX_NUMBER = 64
"""Longer numbers match no rule."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One way into a carrier's network. ``key`` names it within its account. ``inbound_ips``: addresses and
    networks its calls come from, beside ``server``. ``formatters``: how it wants to see numbers and names.
    """

    account_id: str
    resource_id: str
    index: int
    server: str
    port: int = 0
    transport: str = "udp"
    username: str = ""
    password: str = field(default="", repr=False)
    realm: str = ""
    prefix: str = ""
    suffix: str = ""
    codecs: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    inbound_ips: tuple[str, ...] = ()
    progress_timeout_s: float = PROGRESS_TIMEOUT_S
    srtp: str = ""
    formatters: Formatters = UNCHANGED

    @property
    def key(self) -> str:
        """``resource/0``: the id of the resource and the gateway's place in it."""
        return f"{self.resource_id}/{self.index}"


@dataclass(frozen=True, slots=True)
class Carrier:
    """A gateway for a call, and the number as it is dialled there."""

    gateway: Gateway
    number: str


def gateways_of(account: Account) -> list[Gateway]:
    """All enabled gateways of enabled resources, by document id."""
    found: list[Gateway] = []
    for id, document in sorted(account.all("resource").items()):
        if document.get("enabled") is not False:
            found += _gateways(account.id, id, document)
    return found


def carriers_for(account: Account, number: str, *, flags: Iterable[str] = ()) -> list[Carrier]:
    """The gateways for ``number``, the cheapest resource (``weight_cost``) first, each resource's in its own
    order. ``flags``: only resources that have all of these.
    """
    wanted = set(flags)
    rows: list[tuple[tuple[bool, float, str], Mapping[str, Any], str]] = []
    for id, document in account.all("resource").items():
        dialled = number_by_rules(_strings(document.get("rules")), number)
        if (
            document.get("enabled") is False
            or dialled is None
            or not wanted <= set(_strings(document.get("flags")))
        ):
            continue
        first = number in EMERGENCY and document.get("emergency") is True
        weight = document.get("weight_cost", DEFAULT_WEIGHT)
        order = (not first, float(weight) if isinstance(weight, int | float) else DEFAULT_WEIGHT, id)
        rows.append((order, document, dialled))
    return [
        Carrier(gateway, f"{gateway.prefix}{dialled}{gateway.suffix}")
        for (_, _, id), document, dialled in sorted(rows, key=lambda row: row[0])
        for gateway in _gateways(account.id, id, document)
    ]


def number_by_rules(rules: Sequence[str], number: str) -> str | None:
    """What is dialled for ``number``: capture group 1 of the first rule that is found in it, the whole number
    if the rule has no group; None: no rule fits. A rule that is no regular expression fits nothing.
    """
    if not number or len(number) > MAX_NUMBER:
        return None
    for rule in rules:
        pattern = _compiled(rule)
        match = pattern.finds(number) if pattern else None
        if pattern and match:
            return (match.group(1) or "") if pattern.groups else number
    return None


@lru_cache(maxsize=4096)
def _compiled(rule: str) -> Pattern | None:
    try:
        return compile_pattern(rule)
    except re.error:
        return None


def _gateways(account_id: str, id: str, document: Mapping[str, Any]) -> list[Gateway]:
    rows = document.get("gateways")
    found: list[Gateway] = []
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, Mapping) and row.get("enabled") is not False and _text(row, "server"):
            found.append(_gateway(account_id, id, index, row, document))
    return found


def _gateway(
    account_id: str, id: str, index: int, row: Mapping[str, Any], resource: Mapping[str, Any]
) -> Gateway:
    headers = row.get("custom_sip_headers")
    port, wait = row.get("port"), row.get("progress_timeout")
    return Gateway(
        account_id=account_id,
        resource_id=id,
        index=index,
        server=_text(row, "server"),
        port=port if isinstance(port, int) and 0 < port < 1 << 16 else 0,
        transport=_text(row, "transport") or "udp",
        username=_text(row, "username"),
        password=_text(row, "password"),
        realm=_text(row, "realm"),
        prefix=_text(row, "prefix"),
        suffix=_text(row, "suffix"),
        codecs=tuple(_strings(row.get("codecs"))),
        headers=tuple((str(name), str(value)) for name, value in headers.items())
        if isinstance(headers, Mapping)
        else (),
        inbound_ips=tuple(_strings(row.get("inbound_ips")) + _strings(resource.get("inbound_ips"))),
        progress_timeout_s=float(wait) if isinstance(wait, int | float) and wait > 0 else PROGRESS_TIMEOUT_S,
        srtp=_text(row, "srtp"),
        formatters=read_formatters(resource),
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
