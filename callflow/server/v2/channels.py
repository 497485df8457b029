"""Layer 6: ``/v2/accounts/ID/channels``: the legs of live calls under Kazoo's name, and what can be done to
one: hang up, transfer, record, and every metaflow action.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from callflow.documents import jsontext
from callflow.documents.check_flow import check_metaflow
from callflow.documents.problems import Sheet
from callflow.engine.call import Call
from callflow.errors import ApiError, CallGone
from callflow.log import one_line
from callflow.modules import metaflow_actions
from callflow.server.auth import Token, authorize
from callflow.server.envelope import invalid, ok
from callflow.server.parts import Parts
from callflow.server.v2.calls_described import READ, WRITE
from callflow.server.v2.legs import Seat, channel_of, seats_of
from callflow.server.v2.listing import page_of
from callflow.server.v2.live_recordings import ACTIONS, around, record
from callflow.server.v2.sent import Sent, read_sent, refusal
from callflow.server.v2.telling import tell

PATIENCE_S = 2.0
"""So long an answer waits for what was asked for; a prompt that is played takes longer."""
_RECORDS = {f"{action}_record": action for action in ACTIONS}
_RECORDS |= {f"{action}_recording": action for action in ACTIONS}
_DID_NOTHING = ("transferred nobody", "had no target")


def routes(parts: Parts) -> list[web.RouteDef]:
    """All of them."""
    all_of = "/v2/accounts/{account_id}/channels"
    on = partial(partial, parts=parts)
    return [
        web.get(all_of, on(_list)),
        web.get(f"{all_of}/{{channel_id}}", on(_read)),
        web.post(f"{all_of}/{{channel_id}}", on(_do)),
        web.put(f"{all_of}/{{channel_id}}", on(_do)),
    ]


def _channels(parts: Parts, account_id: str) -> dict[str, Seat]:
    """The legs of the account by call id."""
    seats = [seat for call in parts.live.of(account_id).values() for seat in seats_of(call)]
    return {seat.leg.channel.call_id: seat for seat in seats}


def _rows(parts: Parts, account_id: str) -> dict[str, dict[str, Any]]:
    since = {each.call_id: each.since for each in parts.live.list()}
    now = parts.clock.wall()
    return {
        id: channel_of(seat, since.get(seat.call.id, now))
        for id, seat in _channels(parts, account_id).items()
    }


async def _list(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    return page_of(request, sorted(_rows(parts, account_id).items()), dict)


async def _read(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    found = _rows(parts, account_id).get(request.match_info["channel_id"])
    if found is None:
        raise ApiError(404, "there is no such channel now")
    return ok(request, found)


# ---- doing ---------------------------------------------------------------------------------------


async def _do(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    token = await authorize(request, account_id, WRITE)
    seat = _channels(parts, account_id).get(request.match_info["channel_id"])
    if seat is None:
        raise ApiError(404, "there is no such channel now")
    sent = await read_sent(request)
    value = sent.value
    if not isinstance(value, dict):
        raise invalid("data", "type", "data is an object with an action")
    action = value.get("action")
    if not isinstance(action, str | None):
        raise invalid("action", "type", "action is a text")
    if action in _RECORDS:
        return await record(request, parts, token, seat.call, sent, action=_RECORDS[action])
    if action == "hangup":
        return await _hang_up(request, token, seat)
    return await _metaflow(request, parts, token, seat, sent, _tree(value))


def _tree(value: Mapping[str, Any]) -> tuple[Any, str]:
    """The metaflow that is asked for, and the pointer to it: ``{"action": "metaflow", "data": NODE}``, a node
    as it is, or ``{"action": NAME, ...}`` with the data beside it. Raises ApiError 400.
    """
    action = value.get("action")
    if action == "metaflow":
        return value.get("data"), "/data"
    if action is None and "module" in value:
        return value, ""
    if isinstance(action, str) and action in metaflow_actions():
        return {"module": action, "data": {key: each for key, each in value.items() if key != "action"}}, ""
    known = ", ".join((*sorted(metaflow_actions()), "metaflow", *(f"{each}_record" for each in ACTIONS)))
    raise invalid("action", "enum", f"there is no action {one_line(action, 60)}; there are {known}")


async def _hang_up(request: web.Request, token: Token, seat: Seat) -> web.Response:
    id = seat.leg.channel.call_id
    tell(token, seat.call.account.id, f"channel {one_line(id, 80)} hung up")
    if seat.leg is seat.call.line.leg:
        await seat.call.hangup()
    else:
        await seat.leg.channel.hangup("NORMAL_CLEARING")
    return ok(request, {"uuid": id, "did": ["hung up"]})


async def _metaflow(
    request: web.Request, parts: Parts, token: Token, seat: Seat, sent: Sent, asked: tuple[Any, str]
) -> web.Response:
    tree, pointer = asked
    _check(sent, tree, pointer, parts, seat.call)
    leg = seat.leg
    if tree.get("module") == "transfer" and seat.peer is not None:
        leg = seat.peer  # Kazoo's API transfers the channel that it names, digits the one who has not pressed
    tell(token, seat.call.account.id, f"{one_line(tree.get('module'), 40)} on channel {leg.channel.call_id}")
    did = await carried_out(seat.call, tree, leg.name)
    if did is None:
        return ok(request, {"uuid": seat.leg.channel.call_id, "did": [], "going_on": True}, status=202)
    if did and any(did[0].startswith(each) for each in _DID_NOTHING):
        raise ApiError(409, did[0])
    return ok(request, {"uuid": seat.leg.channel.call_id, "did": did})


def _check(sent: Sent, tree: Any, pointer: str, parts: Parts, call: Call) -> None:
    """Raises ApiError 400 for what ``callflow check`` calls an error."""
    sheet = Sheet(jsontext.examine(sent.text))
    check_metaflow(sheet, tree, pointer, around(parts, call))
    problems = sent.placed(sorted(sheet.problems))
    if any(problem.is_error for problem in problems):
        raise refusal(problems)


async def carried_out(call: Call, tree: Mapping[str, Any], leg: str) -> list[str] | None:
    """What was done, in words; None: it goes on. Raises ApiError 409 if the call is over."""
    if call.gone:
        raise ApiError(409, "the call is over")
    done: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            found = await call.metaflows.inject(tree, leg)
        except CallGone:
            found = ["the call is over"]
        if not done.done():
            done.set_result(found)

    call.spawn(work())
    await asyncio.wait({done}, timeout=PATIENCE_S)
    return done.result() if done.done() else None
