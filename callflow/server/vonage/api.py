"""Layer 6: the routes of Vonage's API, put together."""

from __future__ import annotations

from aiohttp import web

from callflow.server.parts import Parts
from callflow.server.vonage import calls, control, conversations, files, prompts
from callflow.server.vonage.book import Book
from callflow.server.vonage.described import PATHS as PATHS
from callflow.server.vonage.described import SCHEMAS as SCHEMAS


def routes(parts: Parts) -> list[web.RouteDef]:
    """All of them."""
    book = Book(parts.engine.scripts.sessions)
    return [
        *files.routes(parts),
        *calls.routes(parts, book),
        *control.routes(parts),
        *prompts.routes(parts),
        *prompts.listening_routes(parts),
        *conversations.routes(parts),
    ]
