"""Layer 6: ``/v2/accounts/ID/callflows``: list, read, create, replace, change, delete, validate.

A change is a file in the account's folder, and in force when the answer comes (see ``saving.py``).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from callflow.documents import jsontext
from callflow.documents.changes import merge
from callflow.documents.check_flow import nodes_of
from callflow.documents.problems import Problem
from callflow.documents.storing import Stored, is_file_id
from callflow.engine.routing import find_flow
from callflow.errors import ApiError
from callflow.log import one_line
from callflow.server.auth import Token, authorize
from callflow.server.envelope import invalid, ok
from callflow.server.parts import Parts
from callflow.server.v2.asking import choose, wishes
from callflow.server.v2.bounds import MOST_TOLD
from callflow.server.v2.callflows_described import PATHS, SCHEMAS
from callflow.server.v2.listing import fits, page_of
from callflow.server.v2.saving import KIND, RESERVED, Saved, Shelf, saved
from callflow.server.v2.sent import Sent, as_dict, read_sent, warnings_of
from callflow.server.v2.telling import tell

__all__ = ["PATHS", "SCHEMAS", "routes"]

READ, WRITE = "callflows:read", "callflows:write"
_REVISION = re.compile(r'(?:W/)?"([0-9a-f]{32})"')
_SHOWN = ("id", "name", "numbers", "patterns", "description", "featurecode", "flags")


def routes(parts: Parts) -> list[web.RouteDef]:
    """All of them; the fixed words first."""
    all_of = "/v2/accounts/{account_id}/callflows"
    one = all_of + "/{callflow_id}"
    on = partial(partial, parts=parts)
    return [
        web.get(all_of, on(_list)),
        web.put(all_of, on(_create)),
        web.post(f"{all_of}/validate", on(_validate)),
        web.get(one, on(_read)),
        web.post(one, on(_replace)),
        web.patch(one, on(_patch)),
        web.delete(one, on(_delete)),
    ]


async def shelf_of(request: web.Request, parts: Parts, scope: str) -> tuple[Shelf, Token]:
    """The account's callflows, for who may. Raises ApiError."""
    account_id = request.match_info["account_id"]
    token = await authorize(request, account_id, scope)
    tenant = parts.tenant(account_id)
    assert tenant is not None  # authorize has looked
    return Shelf(parts, tenant), token


# ---- reading -------------------------------------------------------------------------------------


async def _list(request: web.Request, *, parts: Parts) -> web.Response:
    """As they are in force: a list reads no files."""
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    tenant = parts.tenant(account_id)
    assert tenant is not None  # authorize has looked
    documents = tenant.account.all(KIND)
    rows = [(id, {**documents[id], "id": id}) for id in sorted(documents)]
    number, module = request.query.get("number"), request.query.get("module")
    if number is not None:
        match = find_flow(number, dict(rows))
        rows = [row for row in rows if match is not None and row[0] == match.flow_id]
    if module is not None:
        rows = [row for row in rows if module in _modules(row[1])]
    rows = [row for row in rows if fits(request.query.items(), row[1])]
    return page_of(request, rows, _summary)


def _summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a list shows of a callflow, as Kazoo: not its tree, but which modules are in it."""
    shown = {key: document[key] for key in _SHOWN if key in document}
    return {"numbers": [], "patterns": [], **shown, "modules": _modules(document)}


def _modules(document: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(module for _, module, _ in nodes_of(document.get("flow"))))


async def _read(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, _ = await shelf_of(request, parts, READ)
    stored: Stored = await asyncio.to_thread(shelf.find, request.match_info["callflow_id"])
    found = saved(stored.id, stored.raw, ())
    headers = {"ETag": f'"{found.revision}"', "Vary": "Accept"}
    if f'"{found.revision}"' in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    if choose(wishes(request.headers.get("Accept", "")), ("application/json", "text/plain")) == "text/plain":
        text = jsontext.examine(stored.raw).text
        more = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type="text/plain", charset="utf-8", headers=headers | more)
    return ok(request, found.document, revision=found.revision, headers={"Vary": "Accept"})


# ---- changing ------------------------------------------------------------------------------------


async def _create(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, token = await shelf_of(request, parts, WRITE)
    sent = await read_sent(request)
    id = _own_id(sent) or parts.engine.ids.hex32()
    made = await shelf.create(id, sent)
    _told(request, token, "created", id)
    location = f"{request.rel_url.path.rstrip('/')}/{id}"
    return _saved(request, made, status=201, headers={"Location": location})


async def _replace(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, token = await shelf_of(request, parts, WRITE)
    id = request.match_info["callflow_id"]
    sent = await read_sent(request)
    _same_id(sent, id)
    made = await shelf.replace(id, sent, if_match(request))
    _told(request, token, "replaced", id)
    return _saved(request, made)


async def _patch(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, token = await shelf_of(request, parts, WRITE)
    id = request.match_info["callflow_id"]
    sent = await read_sent(request)
    if not isinstance(sent.value, dict):
        raise invalid("data", "type", "a change is an object: what is null in it is removed (RFC 7396)")
    _same_id(sent, id)
    patch = {key: value for key, value in sent.value.items() if key != "id"}
    made = await shelf.merge(id, sent, lambda document: merge(document, patch), if_match(request))
    _told(request, token, "changed", id)
    return _saved(request, made)


async def _delete(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, token = await shelf_of(request, parts, WRITE)
    id = request.match_info["callflow_id"]
    gone = await shelf.delete(id, if_match(request))
    _told(request, token, "deleted", id)
    return ok(request, gone.document, revision=gone.revision)


def if_match(request: web.Request) -> str:
    """The revision that the client has seen: ``If-Match``, else nothing; ``*``: any. Raises ApiError 400."""
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return "*" if given else ""
    form = _REVISION.fullmatch(given.strip())
    if form is None:
        raise ApiError(400, 'If-Match has one revision here: "32 hex digits", as in ETag')
    return form[1]


def _own_id(sent: Sent) -> str:
    value = sent.value.get("id", "") if sent.readable and isinstance(sent.value, dict) else ""
    return value if isinstance(value, str) else ""


def _same_id(sent: Sent, id: str) -> None:
    own = _own_id(sent)
    if own and own != id:
        raise invalid("id", "const", f"the document says it is {one_line(own, 60)}: its id cannot be changed")


def _saved(
    request: web.Request, made: Saved, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return ok(
        request,
        made.document,
        status=status,
        revision=made.revision,
        warnings=warnings_of(made.problems),
        headers=headers,
    )


def _told(request: web.Request, token: Token, what: str, id: str) -> None:
    tell(token, request.match_info["account_id"], f"callflow {one_line(id, 60)} {what}")


# ---- validating ----------------------------------------------------------------------------------


async def _validate(request: web.Request, *, parts: Parts) -> web.Response:
    shelf, _ = await shelf_of(request, parts, READ)
    sent = await read_sent(request)
    found = await judged(request, shelf, sent)
    levels = {level: sum(each.level == level for each in found) for level in ("error", "warning")}
    body = {"valid": not levels["error"], "errors": levels["error"], "warnings": levels["warning"]}
    problems = [as_dict(replace(each, file="")) for each in found[:MOST_TOLD]]
    return ok(request, {**body, "problems": problems})


async def judged(request: web.Request, shelf: Shelf, sent: Sent) -> list[Problem]:
    """What is wrong with what was sent, as the callflow ``?id=``, or that it says it is."""
    id = request.query.get("id") or _own_id(sent)

    def judge() -> list[Problem]:
        path = shelf.path(id) if is_file_id(id) and id not in RESERVED else shelf.nowhere
        with suppress(ApiError):
            path = shelf.find(id).path if id else path
        return sent.placed(shelf.judge(sent.text, path))

    return await shelf.in_turn(judge)
