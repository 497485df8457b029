"""Layer 2: a web server that is told something: a message by POST or PUT, or as the query of a GET."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from callflow.delivery import standard_webhooks
from callflow.delivery.destinations.destination import Answer
from callflow.delivery.http import GuardedHttp
from callflow.delivery.outbox import Parcel
from callflow.delivery.signing import sign
from callflow.delivery.urls import parse_url
from callflow.documents.secrets import reveal
from callflow.state.events import as_texts, read_message, sent_bytes

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
        body = sent_bytes(message) if posted else b""
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
        wanted = message.secrets or self._client.rule(url, parcel.account).signing
        if wanted:
            headers |= standard_webhooks.sign([reveal(one) for one in wanted], row.id, self._wall(), [body])
        response = await self._client.request(
            message.method, url, body=body if posted else None, headers=headers, account=parcel.account
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
    base, mark, query = url.partition("?")
    return f"{base}?{query + '&' if mark and query else ''}{urlencode(as_texts(body))}"
