"""Layer 6: ``/v2/accounts/ID/recordings/ID/hold``: what must not be erased; ``.../proofs``: what was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from callflow.errors import ApiError, RecordingError, UnknownRecording
from callflow.recording.document import hold_facts, proof_document
from callflow.server.auth import authorize
from callflow.server.envelope import invalid, ok, read_data
from callflow.server.parts import Parts
from callflow.server.v2.holds_described import FORMER, LONGEST_KEY, MOST_PAGE, PATHS, SCHEMAS
from callflow.server.v2.recordings import READ, WRITE, page_size, recording_of
from callflow.server.v2.telling import tell, who
from callflow.state.erasing import MOST_REASON, Hold, hold, list_holds, list_proofs, release_hold
from callflow.state.library import PAGE

__all__ = ["PATHS", "SCHEMAS", "routes"]


def routes(parts: Parts) -> list[web.RouteDef]:
    """The hold of a recording; an account's proofs."""
    one = "/v2/accounts/{account_id}/recordings/{recording_id}/hold"
    return [
        web.get(one, partial(_read, parts=parts)),
        web.put(one, partial(_hold, parts=parts)),
        web.delete(one, partial(_release, parts=parts)),
        web.get("/v2/accounts/{account_id}/proofs", partial(_proofs, parts=parts)),
    ]


# ---- a hold ---------------------------------------------------------------------------------


async def _read(request: web.Request, *, parts: Parts) -> web.Response:
    account_id, recording_id = request.match_info["account_id"], request.match_info["recording_id"]
    await authorize(request, account_id, READ)

    def look(conn: sqlite3.Connection) -> list[Hold]:
        recording_of(conn, account_id, recording_id)
        return list_holds(conn, recording_id=recording_id, also_released=True, limit=FORMER + 1)

    return ok(request, _shown(await parts.keeping.reader.arun(look)))


def _shown(holds: list[Hold]) -> dict[str, Any]:
    now = next((each for each in holds if not each.released_wall), None)
    former = [each for each in holds if each.released_wall][:FORMER]
    return {
        "held": None if now is None else hold_facts(now),
        "former": [hold_facts(each) for each in former],
    }


async def _hold(request: web.Request, *, parts: Parts) -> web.Response:
    account_id, recording_id = request.match_info["account_id"], request.match_info["recording_id"]
    token = await authorize(request, account_id, WRITE)
    reason = (await read_data(request)).get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise invalid("reason", "required", 'a hold needs a reason: {"data": {"reason": "case 4711"}}')
    if len(reason) > MOST_REASON:
        raise invalid("reason", "maxLength", f"a reason has at most {MOST_REASON} characters")
    by, wall = f"token {who(token)}", parts.clock.wall()

    def change(conn: sqlite3.Connection) -> None:
        held = next(iter(list_holds(conn, recording_id=recording_id)), None)
        if held is None or held.reason != reason:  # said again, it changes nothing
            hold(conn, recording_id, reason=reason, by=by, wall=wall)

    holds = await _change(parts, account_id, recording_id, change)
    tell(token, account_id, f"recording {recording_id} is held")
    return ok(request, _shown(holds))


async def _release(request: web.Request, *, parts: Parts) -> web.Response:
    account_id, recording_id = request.match_info["account_id"], request.match_info["recording_id"]
    token = await authorize(request, account_id, WRITE)
    by, wall = f"token {who(token)}", parts.clock.wall()
    holds = await _change(
        parts, account_id, recording_id, lambda conn: release_hold(conn, recording_id, by=by, wall=wall)
    )
    tell(token, account_id, f"recording {recording_id} is released")
    return ok(request, _shown(holds))


async def _change(
    parts: Parts, account_id: str, recording_id: str, change: Callable[[sqlite3.Connection], object]
) -> list[Hold]:
    """Raises UnknownRecording; ApiError 409 for what does not fit."""

    def write(conn: sqlite3.Connection) -> list[Hold]:
        recording_of(conn, account_id, recording_id)
        change(conn)
        return list_holds(conn, recording_id=recording_id, also_released=True, limit=FORMER + 1)

    try:
        return await parts.database.arun(write)
    except UnknownRecording:
        raise
    except RecordingError as error:
        raise ApiError(409, error.message) from error  # the hints are those of the command line


# ---- proofs ---------------------------------------------------------------------------------


async def _proofs(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    size = page_size(request, PAGE, MOST_PAGE)
    start = request.query.get("start_key", "")
    if start and not (start.isascii() and start.isdigit() and len(start) <= LONGEST_KEY):
        raise invalid("start_key", "pattern", "start_key is the `next_start_key` of the page before")
    asked = partial(
        list_proofs,
        account_id=account_id,
        recording_id=request.query.get("recording_id", ""),
        before=int(start) + 1 if start else None,
        limit=size + 1,
    )
    found = await parts.keeping.reader.arun(asked)
    page, rest = found[:size], found[size:]
    return ok(
        request,
        [proof_document(each) for each in page],
        page_size=len(page),
        start_key=start or None,
        next_start_key=str(rest[0].n) if rest else None,
    )
