"""Layer 6: ``/v2/accounts/ID/users/ID/recordings``: the recordings of a user's calls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from callflow.server.auth import authorize
from callflow.server.openapi import operation
from callflow.server.parts import Parts
from callflow.server.v2.recordings import READ, list_page
from callflow.server.v2.recordings_described import LIST_QUERY
from callflow.state.filters import Filter

PATHS: Mapping[str, Mapping[str, Any]] = {
    "/v2/accounts/{account_id}/users/{user_id}/recordings": {
        "get": operation(
            "user_recordings",
            "Recordings of a user's legs, the latest first.",
            scope=READ,
            description="Those whose `owner_id` is the user; of one who is not there any more, too.",
            data={"type": "array", "items": {"$ref": "#/components/schemas/Recording"}},
            query=[each for each in LIST_QUERY if each["name"] != "owner_id"],
        )
    }
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """The list."""
    return [web.get("/v2/accounts/{account_id}/users/{user_id}/recordings", partial(_list, parts=parts))]


async def _list(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    return await list_page(
        request, parts, Filter(account_id=account_id), owner_id=request.match_info["user_id"]
    )
