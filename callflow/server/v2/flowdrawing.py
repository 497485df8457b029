"""Layer 6: callflows as pictures: a stored one, one that is sent, and the way of a live call on its flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from callflow.documents import jsontext
from callflow.documents.problems import Problem
from callflow.drawing.gather import tree_of
from callflow.drawing.picture import Picture
from callflow.drawing.svg import to_svg
from callflow.errors import ApiError, EngineError
from callflow.server.envelope import invalid
from callflow.server.openapi import operation, parameter
from callflow.server.parts import Parts
from callflow.server.v2.bounds import MOST_TOLD, check_document
from callflow.server.v2.callflows import READ, judged, shelf_of
from callflow.server.v2.callflows_described import DRAWN, SVG
from callflow.server.v2.sent import read_sent

_ALL = "/v2/accounts/{account_id}/callflows"
_PROBLEMS = parameter("problems", {"enum": ["true", "false"]}, "`false`: without what `check` finds.")
PATHS: Mapping[str, Mapping[str, Any]] = {
    f"{_ALL}/draw": {
        "post": operation(
            "draw_sent_callflow",
            "The document that is sent, as SVG, with what `callflow check` says in its place.",
            scope=READ,
            content=SVG,
            content_in=DRAWN,
            query=(_PROBLEMS,),
        )
    },
    f"{_ALL}/{{callflow_id}}/draw": {
        "get": operation("draw_callflow", "The callflow as SVG.", scope=READ, content=SVG, query=(_PROBLEMS,))
    },
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def routes(parts: Parts) -> list[web.RouteDef]:
    """Before those of callflows: ``draw`` is no id."""
    on = partial(partial, parts=parts)
    return [
        web.post(f"{_ALL}/draw", on(_draw_sent)),
        web.get(f"{_ALL}/{{callflow_id}}/draw", on(_draw_stored)),
    ]


def svg(text: str) -> web.Response:
    """A picture as an answer: nothing in it may run or load anything."""
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return web.Response(text=text, content_type="image/svg+xml", charset="utf-8", headers=headers)


async def _draw_stored(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, _ = await shelf_of(request, parts, READ)
    id, wanted = request.match_info["callflow_id"], _with_problems(request)

    def draw() -> str:
        stored = shelf.find(id)
        problems = shelf.judge(stored.raw, stored.path) if wanted else []
        return picture_of(jsontext.examine(stored.raw).value, id, problems)

    return svg(await shelf.in_turn(lambda: drawn(draw)))


async def _draw_sent(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, _ = await shelf_of(request, parts, READ)
    sent = await read_sent(request)
    problems = await judged(request, shelf, sent) if _with_problems(request) else []
    value = sent.value
    id = str(value.get("id") or "") if isinstance(value, dict) else ""
    return svg(await shelf.in_turn(lambda: drawn(lambda: picture_of(value, id, problems))))


def drawn(draw: Callable[[], str]) -> str:
    """What ``draw`` gives. Raises ApiError for a flow that cannot be drawn."""
    try:
        return draw()
    except EngineError as error:
        raise ApiError(400, f"{error.code}  {error.message}", hint=error.hint) from error


def picture_of(document: object, id: str, problems: Sequence[Problem]) -> str:
    """One flow as SVG. Raises ApiError, EngineError."""
    if not isinstance(document, dict) or not ({"flow", "module"} & document.keys()):
        raise invalid("data", "type", "this is no flow: a callflow has a flow, a bare flow a module")
    check_document(document)
    return to_svg(Picture([tree_of(document, flow_id=id, problems=problems[:MOST_TOLD])]))


def _with_problems(request: web.Request) -> bool:
    return request.query.get("problems", "true").lower() != "false"
