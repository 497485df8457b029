"""Layer 6: ``/v2/token_auth``: what the token that is shown may do, and which accounts it opens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from callflow.server.auth import authenticate
from callflow.server.envelope import ok
from callflow.server.openapi import operation
from callflow.server.parts import Parts

_TEXT = {"type": "string"}
_ACCOUNT = {
    "type": "object",
    "required": ["id", "name", "realm"],
    "properties": {"id": _TEXT, "name": _TEXT, "realm": _TEXT},
}
PATHS: Mapping[str, Mapping[str, Any]] = {
    "/v2/token_auth": {
        "get": operation(
            "token_auth",
            "The token that is shown: its scopes, and the accounts that it opens.",
            scope="any",
            data={
                "type": "object",
                "required": ["id", "account_id", "label", "scopes", "accounts"],
                "properties": {
                    "id": _TEXT,
                    "account_id": {"type": "string", "description": "`*`: all accounts."},
                    "label": _TEXT,
                    "scopes": {"type": "array", "items": _TEXT},
                    "accounts": {"type": "array", "items": _ACCOUNT},
                },
            },
        )
    }
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """The one."""
    return [web.get("/v2/token_auth", partial(_tell, parts=parts))]


async def _tell(request: web.Request, *, parts: Parts) -> web.Response:
    token = await authenticate(request)
    accounts = [
        {
            "id": id,
            "name": str(tenant.account.document.get("name") or id),
            "realm": str(tenant.account.document.get("realm") or ""),
        }
        for id, tenant in sorted(parts.catalog.tenants.items())
        if token.opens(id)
    ]
    told = {"id": token.id, "account_id": token.account_id, "label": token.label}
    return ok(request, {**told, "scopes": sorted(token.scopes), "accounts": accounts})
