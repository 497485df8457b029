"""Layer 2: a web server that is told something: a JSON message by POST, or as the query of a GET."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from callflow.delivery.destinations.destination import Answer
from callflow.delivery.http import GuardedHttp
from callflow.delivery.outbox import Parcel
from callflow.delivery.signing import sign
from callflow.delivery.urls import parse_url
from callflow.state.events import body_bytes, read_message

ANSWER_LIMIT = 2048
"""The answer to a message is not read beyond this: nothing in it counts but its status."""


class EventDestination:
    """Sends the same message at each attempt, signed anew. ``Idempotency-Key``: the delivery's id."""

    def __init__(self, client: GuardedHttp, wall: Callable[[], float]) -> None:
        self._client = client
        self._wall = wall

    async def deliver(self, parcel: Parcel, path: Path) -> Answer:
        """One request; redirects are followed with the same verb and body."""
        row = parcel.delivery
        message, _ = read_message(row)
        posted = message.method != "GET"
        body = body_bytes(message.body) if posted else b""
        headers = {"Idempotency-Key": row.id}
        if posted:
            headers["Content-Type"] = row.content_type
        if message.secret:
            token = sign(
                body,
                message.secret,
                jti=secrets.token_hex(16),
                now=self._wall(),
                api_key=message.api_key,
                application_id=message.application_id,
            )
            headers["Authorization"] = f"Bearer {token}"
        url = message.url if posted else with_query(message.url, message.body)
        response = await self._client.request(
            message.method, url, body=body if posted else None, headers=headers
        )
        return Answer(
            response.status,
            response.body[:ANSWER_LIMIT],
            response.headers.get("Retry-After"),
            response.address,
        )


def with_query(url: str, body: Mapping[str, Any]) -> str:
    """``url`` with the body's keys behind its own query; what is no text is written as JSON, null is left
    out. Raises BadUrl.
    """
    parse_url(url)
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for key, value in body.items()
        if value is not None
    }
    base, mark, query = url.partition("?")
    return f"{base}?{query + '&' if mark and query else ''}{urlencode(texts)}"
