"""Layer 5: what a server that has started has to say: where it is, what it has loaded, what to try."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from callflow.channels.sip.credentials import realm_of
from callflow.channels.sip.transport import Hop, bracketed
from callflow.documents.accounts import Account
from callflow.exchange.exchange import Exchange
from callflow.exchange.media import shortages
from callflow.log import one_line
from callflow.state.records import ACTIVE, list_deliveries

MOST_ACCOUNTS = 10
_MOST_REMARKS = 10
_RING = {"user", "device", "ring_group", "group", "callflow", "menu", "resources", "offnet", "transfer"}


async def welcome(exchange: Exchange) -> list[str]:
    """The lines of a server's start."""
    catalog = exchange.catalog
    waiting = await exchange.engine.database.arun(_waiting)
    media = exchange.options.media
    low, high = media.ports
    where = f"{media.workers} process{'es' * (media.workers != 1)}" if media.workers else "this process"
    said = [("listening", ", ".join(exchange.uris))]
    said += [("account", _account(account)) for account in list(catalog.accounts.values())[:MOST_ACCOUNTS]]
    if len(catalog.accounts) > MOST_ACCOUNTS:
        said.append(("", f"and {len(catalog.accounts) - MOST_ACCOUNTS} more accounts"))
    said += [
        ("sound", f"UDP {low}-{high}, in {where}"),
        ("recordings", str(exchange.engine.folder.media)),
        ("outbox", f"{waiting} deliver{'ies' if waiting != 1 else 'y'} waiting"),
    ]
    lines = [f"  {name:<11}{text}" for name, text in said]
    lines += [
        f"  {'warning':<11}{remark.file}:{remark.line}:{remark.column} {one_line(remark.message)}"
        for remark in catalog.remarks[:_MOST_REMARKS]
    ]
    lines += [
        f"  {'warning':<11}{said}" for said in shortages(exchange.options, catalog.settings.sip.max_calls)
    ]
    if len(catalog.remarks) > _MOST_REMARKS:
        lines.append(f"  {'':<11}and {len(catalog.remarks) - _MOST_REMARKS} more: callflow check")
    attempt = try_this(list(catalog.accounts.values()), exchange.hops)
    return ["callflow serves", *lines, *([f"  {'try':<11}{attempt}"] if attempt else [])]


def try_this(accounts: Sequence[Account], hops: Sequence[Hop]) -> str:
    """A command that makes a call, best one that is recorded and rings nobody; empty: no number is there."""
    found = [
        (_rank(flow, number), account, number)
        for account in accounts
        for flow in account.all("callflow").values()
        for number in _numbers(flow)
    ]
    if not found or not hops:
        return ""
    _, account, number = min(found, key=lambda one: one[0])
    realm = realm_of(account)
    hop = _reachable(hops[0])
    if len(accounts) > 1:  # the name that is called says which account is meant
        uri = f"'sip:{number}@{one_line(realm, 60)}:{hop.port};maddr={bracketed(hop.host)}'"
    else:
        uri = f"sip:{number}@{bracketed(hop.host)}:{hop.port}"
    transport = "" if hop.transport == "udp" else f" --{hop.transport}"
    return f"callflow call {uri}{transport}{_login(account)}"


def _rank(flow: Mapping[str, Any], number: str) -> tuple[bool, bool, bool, int, str]:
    modules = set()
    nodes = [flow.get("flow")]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            modules.add(node.get("module"))
            children = node.get("children")
            nodes += children.values() if isinstance(children, dict) else ()
    return ("record_call" not in modules, bool(modules & _RING), not number.isdigit(), len(number), number)


def _login(account: Account) -> str:
    for device in account.all("device").values():
        sip = device.get("sip")
        if isinstance(sip, dict) and sip.get("username") and sip.get("password"):
            return f" --username {one_line(sip['username'], 60)} --password PASSWORD"
    return ""


def _reachable(hop: Hop) -> Hop:
    """From this machine."""
    return Hop(hop.transport, {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(hop.host, hop.host), hop.port)


def _numbers(flow: Mapping[str, Any]) -> list[str]:
    numbers = flow.get("numbers")
    found = numbers if isinstance(numbers, list) else []
    return [n for n in found if isinstance(n, str) and n.lstrip("+").isdigit()]


def _account(account: Account) -> str:
    counts = [
        (len(account.all("callflow")), "flow"),
        (len(account.all("device")), "device"),
        (len(account.all("resource")), "trunk"),
    ]
    name = account.document.get("name")
    named = f" ({one_line(name, 60)})" if isinstance(name, str) and name else ""
    return f"{one_line(account.id, 60)}{named}: " + ", ".join(
        f"{n} {what}{'s' * (n != 1)}" for n, what in counts
    )


def _waiting(conn: sqlite3.Connection) -> int:
    return sum(len(list_deliveries(conn, state=state)) for state in ACTIVE)
