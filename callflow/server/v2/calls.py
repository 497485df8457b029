"""Layer 6: ``/v2/accounts/ID/calls``: what calls do at this moment and have done: steps, legs, recordings;
their picture; to hang them up; ``/calls/ID/recordings``: to start, stop, mask and pause what is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web

from callflow.channels.channel import CAUSE_CODES
from callflow.drawing.gather import tree_of
from callflow.drawing.journey import Journey
from callflow.drawing.picture import Tree
from callflow.drawing.svg import to_svg
from callflow.engine.call import Call
from callflow.errors import ApiError
from callflow.log import one_line
from callflow.server.auth import authorize
from callflow.server.envelope import invalid, ok
from callflow.server.parts import Parts
from callflow.server.v2 import channels
from callflow.server.v2.calls_described import PATHS, READ, SCHEMAS, WRITE
from callflow.server.v2.flowdrawing import drawn, svg
from callflow.server.v2.legs import legs_of
from callflow.server.v2.listing import page_of
from callflow.server.v2.live_recordings import record, row
from callflow.server.v2.sent import read_sent
from callflow.server.v2.telling import tell
from callflow.server.v2.traces import Trace, Traces, facts

__all__ = ["PATHS", "SCHEMAS", "routes"]

NORMAL = "NORMAL_CLEARING"
_STATES = ("up", "over", "all")


def routes(parts: Parts) -> list[web.RouteDef]:
    """All of them, and those of ``/channels``. From here on what calls do is kept for a while."""
    traces = Traces(parts.bus, parts.clock)
    all_of = "/v2/accounts/{account_id}/calls"
    one = all_of + "/{call_id}"
    on = partial(partial, parts=parts)
    traced = partial(partial, parts=parts, traces=traces)
    return [
        web.get(all_of, traced(_list)),
        web.get(one, traced(_read)),
        web.delete(one, on(_hang_up)),
        web.get(f"{one}/draw", traced(_draw)),
        web.get(f"{one}/recordings", traced(_recordings)),
        web.put(f"{one}/recordings", on(_start_recording)),
        web.post(f"{one}/recordings", on(_change_recordings)),
        web.post(f"{one}/recordings/{{recording_id}}", on(_change_recordings)),
        *channels.routes(parts),
    ]


def live_call(request: web.Request, parts: Parts) -> Call:
    """The call that the path names, if it is up. Raises ApiError 404."""
    account_id, call_id = request.match_info["account_id"], request.match_info["call_id"]
    call = parts.live.of(account_id).get(call_id)
    if call is None:
        raise ApiError(404, "there is no such call now")
    return call


# ---- reading -------------------------------------------------------------------------------------


async def _list(request: web.Request, *, parts: Parts, traces: Traces) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    state = request.query.get("state", "up")
    if state not in _STATES:
        raise invalid("state", "enum", f"state is one of {', '.join(_STATES)}")
    rows: list[tuple[str, Mapping[str, Any]]] = []
    if state != "over":
        rows += [
            (each.call_id, _up(asdict(each))) for each in parts.live.list() if each.account_id == account_id
        ]
    if state != "up":
        rows += [(trace.call_id, facts(trace)) for trace in traces.over(account_id)]
    return page_of(request, sorted(rows, key=lambda each: each[0]), dict)


def _up(seen: dict[str, Any]) -> dict[str, Any]:
    """A call that is up, with the node where it is."""
    return {
        "id": seen["call_id"],
        "account_id": seen["account_id"],
        "state": "up",
        "from": seen["from_number"],
        "from_name": seen["from_name"],
        "to": seen["to_number"],
        "flow_id": seen["flow_id"],
        "flow_name": seen["flow_name"],
        "path": seen["path"],
        "module": seen["module"],
        "answered": seen["answered"],
        "bridged": seen["bridged"],
        "started": seen["since"],
        "seconds": round(seen["seconds"], 3),
    }


async def _read(request: web.Request, *, parts: Parts, traces: Traces) -> web.Response:
    account_id, call_id = request.match_info["account_id"], request.match_info["call_id"]
    await authorize(request, account_id, READ)
    trace, call = traces.find(account_id, call_id), parts.live.of(account_id).get(call_id)
    if trace is None and call is None:
        raise ApiError(404, "there is no such call, or it is over for long")
    body: dict[str, Any] = dict(facts(trace)) if trace is not None else {}
    if call is not None:
        now = next((each for each in parts.live.list() if each.call_id == call_id), None)
        body |= _up(asdict(now)) if now is not None else {}
        body["legs"] = legs_of(call)
    body["recordings"] = _recording_rows(trace, call)
    if trace is not None:
        body["steps"] = trace.steps()
        body["notices"] = [_notice(trace, each) for each in trace.notices()]
        body["left_out"] = trace.left_out
    return ok(request, body)


def _notice(trace: Trace, notice: Any) -> dict[str, Any]:
    said = {name: getattr(notice, name) for name in ("level", "code", "message", "hint", "path", "module")}
    return {"at": trace.at(notice.time), **said}


def _recording_rows(trace: Trace | None, call: Call | None) -> list[dict[str, Any]]:
    """Recordings of a call, the first first: what they are, and each change with its time."""
    told = trace.recordings() if trace is not None else {}
    rows = {handle.id: row(handle) for handle in call.recordings.handles} if call is not None else {}
    found = []
    for id in dict.fromkeys((*rows, *told)):
        changes = told.get(id, ())
        last = {"id": id, "state": changes[-1].state, "origin": changes[-1].origin} if changes else {}
        own = rows.get(id, {**last, "over": True})
        seconds = changes[-1].seconds if changes else 0.0
        steps = [
            {"at": trace.at(each.time), "change": each.change, "reason": each.reason}
            for each in changes
            if trace is not None
        ]
        state = changes[-1].state if own["over"] and changes else own["state"]
        found.append({**own, "state": state, "seconds": round(seconds, 3), "changes": steps})
    return found


async def _draw(request: web.Request, *, parts: Parts, traces: Traces) -> web.Response:
    account_id, call_id = request.match_info["account_id"], request.match_info["call_id"]
    await authorize(request, account_id, READ)
    trace = traces.find(account_id, call_id)
    tenant = parts.tenant(account_id)
    if trace is None or tenant is None:
        raise ApiError(404, "there is no such call, or it is over for long")
    journey, events, now = Journey(call_id), tuple(trace.events), parts.clock.now()
    flows = tenant.account.all("callflow")

    def draw() -> str:
        journey(trace.started)
        for event in events:
            journey(event)
        return to_svg(journey.draw_on(lambda id: _tree(flows, id), now))

    return svg(await parts.judging.do(lambda: drawn(draw)))


def _tree(flows: Mapping[str, Mapping[str, Any]], flow_id: str) -> Tree | None:
    return tree_of(flows[flow_id], flow_id=flow_id) if flow_id in flows else None


# ---- doing ---------------------------------------------------------------------------------------


async def _hang_up(request: web.Request, *, parts: Parts) -> web.Response:
    token = await authorize(request, request.match_info["account_id"], WRITE)
    call = live_call(request, parts)
    cause = request.query.get("cause", NORMAL)
    if cause not in CAUSE_CODES:
        raise invalid("cause", "enum", f"{one_line(cause, 60)} is no hangup cause")
    tell(token, call.account.id, f"call {one_line(call.id, 80)} hung up")
    await call.hangup(cause)
    return ok(request, {"id": call.id, "state": "over", "cause": cause})


async def _recordings(request: web.Request, *, parts: Parts, traces: Traces) -> web.Response:
    account_id, call_id = request.match_info["account_id"], request.match_info["call_id"]
    await authorize(request, account_id, READ)
    trace, call = traces.find(account_id, call_id), parts.live.of(account_id).get(call_id)
    if trace is None and call is None:
        raise ApiError(404, "there is no such call, or it is over for long")
    return ok(request, _recording_rows(trace, call))


async def _start_recording(request: web.Request, *, parts: Parts) -> web.Response:
    token = await authorize(request, request.match_info["account_id"], WRITE)
    call = live_call(request, parts)
    sent = await read_sent(request)
    if isinstance(sent.value, dict) and sent.value.get("action", "start") != "start":
        raise invalid("action", "const", "PUT starts a recording: POST does the other actions")
    return await record(request, parts, token, call, sent, status=201)


async def _change_recordings(request: web.Request, *, parts: Parts) -> web.Response:
    token = await authorize(request, request.match_info["account_id"], WRITE)
    call = live_call(request, parts)
    return await record(request, parts, token, call, await read_sent(request))
