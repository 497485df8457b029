"""Layer 5: what a server that has started has to say: where it is, what it has loaded, what to try."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from callflow.channels.sip.transport import Hop
from callflow.documents.accounts import Account
from callflow.exchange.binding import bracketed, uri_of
from callflow.exchange.exchange import Exchange
from callflow.exchange.media import shortages
from callflow.log import one_line
from callflow.state.records import ACTIVE, list_deliveries

MOST_ACCOUNTS = 10
_MOST_REMARKS = 10


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
    """A command that makes a call; empty if there is no number to call."""
    for account in accounts:
        numbers = sorted(
            (number for flow in account.all("callflow").values() for number in _numbers(flow)),
            key=lambda number: (not number.isdigit(), len(number), number),
        )
        if numbers and hops:
            login = _login(account)
            target = f"{numbers[0]}@{_reachable(hops[0])}"
            return f"callflow call sip:{target}{login}"
    return ""


def _login(account: Account) -> str:
    for device in account.all("device").values():
        sip = device.get("sip")
        if isinstance(sip, dict) and sip.get("username") and sip.get("password"):
            return f" --username {one_line(sip['username'], 60)} --password PASSWORD"
    return ""


def _reachable(hop: Hop) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(hop.host, hop.host)
    suffix = uri_of(hop).partition(";")[2]
    return f"{bracketed(host)}:{hop.port}" + (f"';{suffix}'" if suffix else "")


def _numbers(flow: object) -> list[str]:
    numbers = flow.get("numbers") if isinstance(flow, dict) else None
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
