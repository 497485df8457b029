"""Layer 6: ``/healthz``: is the process alive?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from callflow.server.openapi import operation
from callflow.server.parts import Parts

PATHS: Mapping[str, Mapping[str, Any]] = {
    "/healthz": {
        "get": operation(
            "healthz", "Is the process alive?", content={"text/plain": {"schema": {"const": "ok\n"}}}
        )
    }
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """``/healthz``."""

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    return [web.get("/healthz", healthz)]
