"""Layer 6: the console's files at ``/console/``, for whoever asks: they hold nothing; ``/`` leads there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from callflow.errors import ApiError
from callflow.server.openapi import operation, parameter
from callflow.server.parts import Parts
from callflow.server.v2.asking import names_tag

HOME = "/console/"
FOLDER = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types callflow-picture",
    )
)
"""What the page may do: run its own modules, ask this server, play what it has fetched; nothing inline,
nothing from elsewhere, no text turned into markup but pictures of flows, which picture.js checks."""

_TEXT = {"schema": {"type": "string"}}
PATHS: Mapping[str, Mapping[str, Any]] = {
    "/": {
        "get": operation(
            "home",
            "Leads to the console.",
            status=302,
            content={"text/plain": _TEXT},
        )
    },
    HOME: {"get": operation("console", "The console: a web page.", content={"text/html": _TEXT})},
    HOME + "{name}": {
        "get": operation(
            "console_file",
            "A file of the console's.",
            content=dict.fromkeys(TYPES.values(), _TEXT),
            query=(parameter("If-None-Match", {"type": "string"}, "One that is known.", place="header"),),
            responses={
                "304": {"description": "It is the one that is known."},
                "404": {"$ref": "#/components/responses/NotFound"},
            },
        )
    },
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    content_type: str
    tag: str


def routes(parts: Parts) -> list[web.RouteDef]:
    """The way there, the page, and its files: read once."""
    files = {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}

    async def home(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": HOME}, text="the console: /console/\n")

    async def page(request: web.Request) -> web.Response:
        return _sent(request, files["index.html"])

    async def file(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in files:
            raise ApiError(404, "the console has no such file")
        return _sent(request, files[name])

    return [web.get("/", home), web.get(HOME, page), web.get(HOME + "{name}", file)]


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:32])


def _sent(request: web.Request, file: _File) -> web.Response:
    headers = {
        "ETag": f'"{file.tag}"',
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if names_tag(request.headers.get("If-None-Match", ""), file.tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=headers)
