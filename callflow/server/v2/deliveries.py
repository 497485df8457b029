"""Layer 6: ``/v2/accounts/ID/deliveries``: what is on its way, how each attempt went, sending it again.

A delivery is of a recording's file, or of a message about one (``kind`` ``event``). Other accounts' do not
exist here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from callflow.clock import iso
from callflow.delivery import outbox
from callflow.errors import BadFilter, StateError
from callflow.events import DeliveryChanged
from callflow.log import logger, mask_url, one_line
from callflow.recording.document import delivery_facts
from callflow.server.auth import authorize
from callflow.server.envelope import invalid, ok, read_data
from callflow.server.parts import Parts
from callflow.server.v2.deliveries_described import PATHS, SCHEMAS
from callflow.server.v2.recordings import page_size, unreadable
from callflow.state.delivery_list import (
    MOST_PAGE,
    PAGE,
    DeliveryFilter,
    DeliveryKey,
    delivery_of,
    find_deliveries,
    retryable,
)
from callflow.state.events import KIND as EVENT
from callflow.state.events import read_message
from callflow.state.filters import Filter, with_filter
from callflow.state.records import AttemptRow, DeliveryRow, list_attempts

__all__ = ["PATHS", "SCHEMAS", "routes"]

READ, WRITE = "deliveries:read", "deliveries:write"
MOST_RETRIED = 10_000
"""So many are sent again by one request."""

_NAMES = ("state", "host", "kind", "recording_id", "created_from", "created_to")
_ALSO = frozenset({"page_size", "start_key", "auth_token", "_"})


def routes(parts: Parts) -> list[web.RouteDef]:
    """The list, one, and what is done with it."""
    all_of = "/v2/accounts/{account_id}/deliveries"
    one = all_of + "/{delivery_id}"
    return [
        web.get(all_of, partial(_list, parts=parts)),
        web.post(f"{all_of}/retry", partial(_retry_many, parts=parts)),
        web.get(one, partial(_read, parts=parts)),
        web.post(f"{one}/retry", partial(_change, parts=parts, change=outbox.retry, told="queued")),
        web.post(f"{one}/cancel", partial(_change, parts=parts, change=outbox.cancel, told="cancelled")),
    ]


# ---- reading --------------------------------------------------------------------------------


async def _list(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    query = {name: value for name, value in request.query.items() if name not in _ALSO}
    wanted = _asked(account_id, query)
    size = page_size(request, PAGE, MOST_PAGE)
    start = request.query.get("start_key", "")
    try:
        key = DeliveryKey.read(start) if start else None
    except BadFilter as error:
        raise unreadable("start_key", error) from error
    rows, following = await parts.keeping.reader.arun(
        lambda conn: find_deliveries(conn, wanted, size=size, start=key)
    )
    return ok(
        request,
        [_facts(row) for row in rows],
        page_size=len(rows),
        start_key=start or None,
        next_start_key=str(following) if following else None,
    )


def _asked(account_id: str, query: dict[str, str]) -> DeliveryFilter:
    """Raises ApiError 400."""
    for name in query:
        if name not in _NAMES:
            raise invalid(name, "unknown", f"there is no filter {name!r}; there are {', '.join(_NAMES)}")
    times = Filter()
    for name in ("created_from", "created_to"):
        try:
            times = with_filter(times, name, query.get(name, ""))
        except BadFilter as error:
            raise unreadable(name, error) from error
    states = tuple(dict.fromkeys(word.strip().upper() for word in query.get("state", "").split(",") if word))
    for state in states:
        if state not in outbox.DeliveryState.__members__:
            known = ", ".join(outbox.DeliveryState)
            raise invalid("state", "enum", f"there is no state {one_line(state, 40)!r}; there are {known}")
    return DeliveryFilter(
        account_id=account_id,
        states=states,
        host=query.get("host", "").lower(),
        kind=query.get("kind", ""),
        recording_id=query.get("recording_id", ""),
        created_from=times.started_from,
        created_before=times.started_before,
    )


async def _read(request: web.Request, *, parts: Parts) -> web.Response:
    account_id, delivery_id = request.match_info["account_id"], request.match_info["delivery_id"]
    await authorize(request, account_id, READ)

    def look(conn: sqlite3.Connection) -> tuple[DeliveryRow, list[AttemptRow]]:
        row = delivery_of(conn, account_id, delivery_id)
        return row, list_attempts(conn, row.id)

    row, attempts = await parts.keeping.reader.arun(look)
    body = dict(read_message(row)[0].body) if row.kind == EVENT else None
    return ok(request, {**_facts(row), "body": body, "history": [_attempt(each) for each in attempts]})


def _facts(row: DeliveryRow) -> dict[str, Any]:
    return {
        **delivery_facts(row),
        "recording_id": row.recording_id or None,
        "host": row.host,
        "content_type": row.content_type,
        "bytes": row.bytes,
        "digests": {"sha-256": row.sha256} if row.sha256 else {},
        "file_kept": bool(row.file),
    }


def _attempt(row: AttemptRow) -> dict[str, Any]:
    return {
        "number": row.number,
        "started": iso(row.started_wall),
        "seconds": row.seconds,
        "outcome": row.outcome,
        "status": row.status,
        "address": row.address,
        "error": row.error,
        "answer": row.answer.decode("utf-8", "replace"),
    }


# ---- changing -------------------------------------------------------------------------------


async def _change(
    request: web.Request,
    *,
    parts: Parts,
    change: Callable[[sqlite3.Connection, str, float], DeliveryRow],
    told: str,
) -> web.Response:
    account_id, delivery_id = request.match_info["account_id"], request.match_info["delivery_id"]
    token = await authorize(request, account_id, WRITE)
    wall = parts.clock.wall()

    def write(conn: sqlite3.Connection) -> DeliveryRow:
        return change(conn, delivery_of(conn, account_id, delivery_id).id, wall)

    row = await parts.database.arun(write)
    _tell(parts, row, told)
    logger.info("HTTP: delivery %s %s by token %s", one_line(row.id, 60), told, token.id)
    return ok(request, _facts(row))


async def _retry_many(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    token = await authorize(request, account_id, WRITE)
    data = await read_data(request)
    for name, value in data.items():
        if not isinstance(value, str):
            raise invalid(name, "type", f"{name} is a text")
    wanted = _asked(account_id, data)
    wall = parts.clock.wall()

    def write(conn: sqlite3.Connection) -> list[str]:
        done = []
        for delivery_id in retryable(conn, wanted, MOST_RETRIED):
            try:
                done.append(outbox.retry(conn, delivery_id, wall).id)
            except StateError:  # delivered meanwhile
                continue
        return done

    ids = await parts.database.arun(write)
    parts.keeping.wake()
    logger.info("HTTP: %d deliveries queued by token %s", len(ids), token.id)
    return ok(request, {"count": len(ids), "ids": ids})


def _tell(parts: Parts, row: DeliveryRow, told: str) -> None:
    call_id = read_message(row)[1] if row.kind == EVENT else ""
    parts.bus.publish(
        DeliveryChanged(
            time=parts.clock.now(),
            call_id=call_id,
            delivery_id=row.id,
            recording_id=row.recording_id,
            change=told,
            method=row.method.upper(),
            url=mask_url(row.url),
        )
    )
    parts.keeping.wake()
