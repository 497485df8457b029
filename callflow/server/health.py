"""Layer 6: ``/healthz``: is the process alive? ``/readyz``: can it take calls, and record them?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from callflow.server.openapi import operation
from callflow.server.parts import Parts

_READY = {
    "type": "object",
    "required": ["ready", "troubles"],
    "properties": {
        "ready": {"type": "boolean"},
        "troubles": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
PATHS: Mapping[str, Mapping[str, Any]] = {
    "/healthz": {
        "get": operation(
            "healthz", "Is the process alive?", content={"text/plain": {"schema": {"const": "ok\n"}}}
        )
    },
    "/readyz": {
        "get": operation(
            "readyz",
            "Can it take calls, and record them?",
            content={"application/json": {"schema": _READY}},
            responses={
                "503": {"description": "It cannot.", "content": {"application/json": {"schema": _READY}}}
            },
            description="SIP listens, media processes are up, the database can be written, "
            "the disk is not full.",
        )
    },
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """``/healthz`` and ``/readyz``."""

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        troubles = await parts.standing.troubles()
        body = json.dumps({"ready": not troubles, "troubles": troubles}) + "\n"
        return web.Response(text=body, status=503 if troubles else 200, content_type="application/json")

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]
