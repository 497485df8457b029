"""Layer 6: who asks: an application, by a token of its own that is good once; and what becomes of errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from callflow.documents.catalog import Tenant
from callflow.errors import ApiError
from callflow.log import logger, one_line
from callflow.ncco.application import Application, applications_of
from callflow.server.envelope import as_api_error
from callflow.server.parts import Parts
from callflow.server.vonage.answers import Form, refusal
from callflow.server.vonage.jwts import Claims, may, named_application, public_key, read_claims
from callflow.state.used_tokens import Use, use_token

UNAUTHORIZED = "the token is missing, not the application's, expired or used before"


@dataclass(frozen=True, slots=True)
class Guest:
    """The application that asks, and its account."""

    tenant: Tenant
    application: Application

    @property
    def account_id(self) -> str:
        """Of the application."""
        return self.tenant.account.id

    def owns(self, account_id: str, application_id: str) -> bool:
        """Is that the guest's?"""
        return (account_id, application_id) == (self.account_id, self.application.id)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answering = Callable[[web.Request, Guest], Awaitable[web.StreamResponse]]


def guarded(parts: Parts, answer: Answering, form: Form = Form.VOICE) -> Handler:
    """``answer``, for applications with a good token only; errors in Vonage's form."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await answer(request, await admit(parts, request))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return refusal(request, as_api_error(error), form)
        except Exception as error:
            told = as_api_error(error)
            if told.status >= 500:
                where = f"{request.method} {one_line(request.path, 200)}"
                logger.error("HTTP: %s failed: %s", where, one_line(error), exc_info=error)
            return refusal(request, told, form)

    return handle


async def admit(parts: Parts, request: web.Request) -> Guest:
    """Who asks. Raises ApiError: 401 for a token that is missing, of nobody here, expired, used before or
    not for this; 429 for one more of an application that has used too many.
    """
    token = _shown(request)
    named = named_application(token)
    if not named:
        raise _unauthorized()
    wall = parts.clock.wall()
    for tenant in parts.catalog.tenants.values():
        application = applications_of(tenant.account).get(named)
        if application is None:
            continue
        key = await asyncio.to_thread(public_key, application.public_key, application.private_key)
        claims = read_claims(token, key, wall) if key is not None else None
        if claims is not None:
            guest = Guest(tenant, application)
            if not may(claims, request.method, request.path):
                raise _unauthorized()
            await _use(parts, guest, claims, wall)
            return guest
    raise _unauthorized()


async def _use(parts: Parts, guest: Guest, claims: Claims, wall: float) -> None:
    """Raises ApiError for a token that was used before, here or by a server before this one."""
    if not guest.tenant.settings.ncco.tokens_once:
        return
    owner = f"{guest.account_id}/{guest.application.id}"
    use = await parts.database.arun(
        lambda conn: use_token(conn, owner, claims.jti, expires_wall=claims.expires_wall, wall=wall)
    )
    if use is Use.FULL:
        raise ApiError(429, "too many tokens of this application are still good: let them expire sooner")
    if use is not Use.FIRST:
        raise _unauthorized()


def _shown(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _unauthorized() -> ApiError:
    return ApiError(401, UNAUTHORIZED, headers={"WWW-Authenticate": 'Bearer realm="vonage"'})
