"""Layer 6: the HTTP application: the route files, put together."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol, cast

from aiohttp import web

from callflow.server import health, metrics
from callflow.server.asked import Checks, check_query, checks_of
from callflow.server.auth import PARTS
from callflow.server.console import pages
from callflow.server.envelope import MOST_BODY_BYTES, errors
from callflow.server.names import add_headers, check_name
from callflow.server.openapi import describe, operation
from callflow.server.parts import Parts
from callflow.server.v2 import (
    callflows,
    calls,
    deliveries,
    events,
    flowdrawing,
    holds,
    recordings,
    system_config,
    token_auth,
    users,
)
from callflow.server.vonage import api as vonage

MODULES: tuple[ModuleType, ...] = (
    health,
    metrics,
    recordings,
    holds,
    users,
    deliveries,
    flowdrawing,
    callflows,
    calls,
    system_config,
    events,
    token_auth,
    vonage,
    pages,
)
"""Every route file: add yours here."""


_NAMES = web.AppKey("callflow_names", frozenset[str])
_CHECKS = web.AppKey("callflow_checks", Checks)


class RouteFile(Protocol):
    """What a route file has."""

    PATHS: Mapping[str, Mapping[str, Any]]
    """Its paths as OpenAPI 3.1 path items: ``{"/v2/.../{id}": {"get": {...}}}``."""

    def routes(self, parts: Parts) -> list[web.RouteDef]:
        """Its routes."""


FILES = tuple(cast(RouteFile, module) for module in MODULES)


def build(parts: Parts, names: tuple[str, ...] | None = None) -> web.Application:
    """The application: every route of every file, with errors in Kazoo's envelope. ``names``: what it may be
    called by besides addresses and localhost; None: whatever.
    """
    known = [] if names is None else [_named]
    app = web.Application(client_max_size=MOST_BODY_BYTES, middlewares=[_counted, errors, *known, _checked])
    app.on_response_prepare.append(add_headers)
    app[_NAMES] = frozenset(names or ())
    app[_CHECKS] = checks_of(described())
    app[PARTS] = parts
    for file in FILES:
        app.router.add_routes(file.routes(parts))
    app.router.add_routes([_openapi()])
    return app


@web.middleware
async def _counted(request: web.Request, handler: Any) -> web.StreamResponse:
    """Counts every answer by its status; what breaks off has none."""
    response: web.StreamResponse = await handler(request)
    request.app[PARTS].meter.on_request(request.method, response.status)
    return response


@web.middleware
async def _named(request: web.Request, handler: Any) -> web.StreamResponse:
    """Nobody is answered who has been led here by a name that is not ours."""
    app, names = request.app, request.app[_NAMES]
    check_name(request, names, app[PARTS].catalog.settings.ncco.public_url)
    response: web.StreamResponse = await handler(request)
    return response


@web.middleware
async def _checked(request: web.Request, handler: Any) -> web.StreamResponse:
    """What is asked for must be as it is described."""
    check_query(request, request.app[_CHECKS])
    response: web.StreamResponse = await handler(request)
    return response


def described() -> dict[str, Any]:
    """The description of all that is served (OpenAPI 3.1)."""
    return describe((*MODULES, sys.modules[__name__]))


PATHS = {
    "/v2/openapi.json": {
        "get": operation(
            "openapi",
            "This description.",
            content={"application/json": {"schema": {"type": "object"}}},
        )
    }
}


def _openapi() -> web.RouteDef:
    body = json.dumps(described(), separators=(",", ":")).encode()

    async def openapi(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return web.get("/v2/openapi.json", openapi)
