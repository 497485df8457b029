"""Layer 6: the HTTP application: the route files, put together."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol, cast

from aiohttp import web

from callflow.server import health
from callflow.server.auth import PARTS
from callflow.server.envelope import MOST_BODY_BYTES, errors
from callflow.server.parts import Parts

MODULES: tuple[ModuleType, ...] = (health,)
"""Every route file: add yours here."""


class RouteFile(Protocol):
    """What a route file has."""

    PATHS: Mapping[str, Mapping[str, Any]]
    """Its paths as OpenAPI 3.1 path items: ``{"/v2/.../{id}": {"get": {...}}}``."""

    def routes(self, parts: Parts) -> list[web.RouteDef]:
        """Its routes."""


FILES = tuple(cast(RouteFile, module) for module in MODULES)


def build(parts: Parts) -> web.Application:
    """The application: every route of every file, with errors in Kazoo's envelope."""
    app = web.Application(client_max_size=MOST_BODY_BYTES, middlewares=[errors])
    app[PARTS] = parts
    for file in FILES:
        app.router.add_routes(file.routes(parts))
    return app
