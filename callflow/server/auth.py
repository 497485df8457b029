"""Layer 6: who asks, and what he may do.

A token comes as ``X-Auth-Token``, as ``Authorization: Bearer``, or where a browser's player can send no
header, as ``?auth_token=``.
"""

from __future__ import annotations

from aiohttp import web

from callflow.errors import ApiError
from callflow.server.parts import Parts
from callflow.server.tokens import Token, unauthorized

__all__ = ["PARTS", "Token", "authenticate", "authorize"]

PARTS = web.AppKey("callflow_parts", Parts)


async def authenticate(request: web.Request, *, query: bool = False) -> Token:
    """Who asks, whatever he may do. ``query``: ``?auth_token=`` is taken too. Raises ApiError 401 or 429."""
    secret = _shown(request, query)
    if not secret:
        raise unauthorized("a token is needed: X-Auth-Token, or Authorization: Bearer")
    return await request.app[PARTS].tokens.check(secret, request.remote or "")


async def authorize(
    request: web.Request, account_id: str | None, scope: str, *, query: bool = False
) -> Token:
    """Let the request pass, and say whose it is; ``account_id`` None: what belongs to no account.

    Raises ApiError: 401 without a good token, 404 for an account that is not there or not the token's (which,
    is not told), 403 for a scope that it lacks, and for a token of one account where all are meant, 429 for
    who guesses.
    """
    token = await authenticate(request, query=query)
    parts = request.app[PARTS]
    if account_id is None and not token.opens(None):
        raise ApiError(403, "this is for tokens of all accounts", hint="callflow tokens create --account '*'")
    if not token.opens(account_id) or (account_id is not None and parts.tenant(account_id) is None):
        raise ApiError(404, "there is no such account, or it is not this token's")
    if not token.may(scope):
        raise ApiError(403, f"this token may not do that: it lacks the scope {scope}")
    return token


def _shown(request: web.Request, query: bool) -> str:
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return (
        request.headers.get("X-Auth-Token", "")
        or (bearer.strip() if kind.lower() == "bearer" else "")
        or (request.query.get("auth_token", "") if query else "")
    )
