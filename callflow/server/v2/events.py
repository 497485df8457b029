"""Layer 6: what happens on an account, as a live stream (Server-Sent Events, HTML standard 9.2)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from callflow.errors import ApiError
from callflow.server.auth import authorize
from callflow.server.envelope import invalid
from callflow.server.feed import Feed, Told, names
from callflow.server.openapi import operation, parameter
from callflow.server.parts import Parts

SCOPE = "events:read"
BEAT_S = 15.0
"""So often something is sent; and whether the token is still good is looked at."""
SLOWEST_S = 20.0
"""A client that takes nothing for so long is gone."""
MOST_WAITING = 500
"""So many events may wait for one client."""
MOST_LISTENERS = 200
MOST_OF_ACCOUNT = 50
"""So many of one account: the others shall hear something, too."""
RETRY_MS = 2000
_TYPE = re.compile(r"[a-z]+(\.[a-z_]+)?")

_PATH = "/v2/accounts/{account_id}/events"
PATHS: Mapping[str, Mapping[str, Any]] = {
    _PATH: {
        "get": operation(
            "events",
            "What happens on the account from now on, as Server-Sent Events, until the client leaves.",
            scope=SCOPE,
            content={"text/event-stream": {"schema": {"type": "string"}}},
            query=(
                parameter(
                    "type",
                    {"type": "string"},
                    "Only these, with commas between: `call`, `recording`, `recording.ready` ...",
                ),
                parameter("call_id", {"type": "string"}, "Only of this call."),
                parameter("recording_id", {"type": "string"}, "Only of this recording."),
                parameter(
                    "last_event_id",
                    {"type": "string"},
                    "Where to go on, for who cannot send the header `Last-Event-ID`.",
                ),
                parameter("for_s", {"type": "number", "exclusiveMinimum": 0}, "End after so many seconds."),
                parameter("auth_token", {"type": "string"}, "The token, for who can send no header."),
            ),
            refusals=(406,),
        )
    }
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """The stream; one feed for all who listen."""
    feed = Feed(parts.bus, parts.database, parts.live)
    return [web.get(_PATH, partial(_listen, parts=parts, feed=feed), allow_head=False)]


@dataclass(slots=True)
class Wanted:
    """Which events a client wants."""

    account_id: str
    types: tuple[str, ...] = ()
    call_id: str = ""
    recording_id: str = ""

    def fits(self, told: Told) -> bool:
        """Is this one of them?"""
        return (
            told.account_id == self.account_id
            and self.call_id in ("", told.call_id)
            and self.recording_id in ("", told.recording_id)
            and (not self.types or any(f"{told.name}.".startswith(f"{one}.") for one in self.types))
        )


@dataclass(slots=True)
class _Client:
    """What waits for one who listens."""

    wanted: Wanted
    events: asyncio.Queue[Told | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING + 1))
    slow: bool = False

    def take(self, told: Told) -> None:
        """An event, if it is wanted; one too many is the last."""
        if self.slow or not self.wanted.fits(told):
            return
        if self.events.qsize() >= MOST_WAITING:
            self.slow = True
            self.events.put_nowait(None)
        else:
            self.events.put_nowait(told)


def read_wanted(request: web.Request, account_id: str) -> Wanted:
    """The filters of a request. Raises ApiError."""
    said = request.query.get("type", "")
    types = tuple(dict.fromkeys(one.strip() for one in said.split(",") if one.strip()))
    known = tuple(names())
    for one in types:
        if not _TYPE.fullmatch(one) or not any(
            f"{name}.".startswith(f"{one}.") or one.startswith(f"{name}.") for name in known
        ):
            raise invalid("type", "enum", f"there is no type {one[:60]!r}; there are {', '.join(known)}")
    return Wanted(account_id, types, request.query.get("call_id", ""), request.query.get("recording_id", ""))


async def _listen(request: web.Request, *, parts: Parts, feed: Feed) -> web.StreamResponse:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, SCOPE, query=True)
    wanted = read_wanted(request, account_id)
    for_s = _seconds(request)
    if not _accepts(request.headers.get("Accept", "")):
        raise ApiError(406, "this is a stream: Accept: text/event-stream")
    if len(feed.listeners) >= MOST_LISTENERS:
        raise ApiError(503, "too many listen already", headers={"Retry-After": "30"})
    if feed.accounts[account_id] >= MOST_OF_ACCOUNT:
        raise ApiError(429, "too many of this account listen already", headers={"Retry-After": "30"})
    feed.start()
    client = _Client(wanted)
    last = request.headers.get("Last-Event-ID", "") or request.query.get("last_event_id", "")
    missed = feed.ring.since(last) if last else ()
    at = feed.ring.id_of(feed.ring.number)
    feed.accounts[account_id] += 1
    feed.listeners.add(client.take)  # nothing comes between this and what was missed
    try:
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        sending = _Sending(request, response, feed)
        with suppress(ConnectionError, TimeoutError):
            await sending.begin(at, missed, wanted)
            await _ends(sending.go_on(client), parts.closing, for_s)
        return response
    finally:
        feed.listeners.discard(client.take)
        feed.accounts[account_id] -= 1


@dataclass(slots=True)
class _Sending:
    request: web.Request
    response: web.StreamResponse
    feed: Feed

    async def begin(self, at: str, missed: tuple[Told, ...] | None, wanted: Wanted) -> None:
        """Where this stream begins, and what was missed before."""
        lines = f"retry: {RETRY_MS}\n"
        if missed is None:
            lines += f'event: missed\ndata: {{"event":"missed"}}\nid: {at}\n\n'
        elif missed:
            lines += "\n"
        else:
            lines += f": from now on\nid: {at}\n\n"
        await self._write(lines)
        for told in missed or ():
            if wanted.fits(told):
                await self._event(told)

    async def go_on(self, client: _Client) -> None:
        """Until the client is too slow, or its token is not good any more."""
        while True:
            try:
                async with asyncio.timeout(BEAT_S):
                    told = await client.events.get()
            except TimeoutError:
                try:
                    await authorize(self.request, client.wanted.account_id, SCOPE, query=True)
                except ApiError:
                    await self._write(": the token is not good any more\n\n")
                    return
                await self._write(": still here\n\n")
                continue
            if told is None:
                await self._write(": dropped: you read too slowly; come back with Last-Event-ID\n\n")
                return
            await self._event(told)

    async def _event(self, told: Told) -> None:
        id = self.feed.ring.id_of(told.number)
        await self._write(f"id: {id}\nevent: {told.name}\ndata: {told.text}\n\n")

    async def _write(self, text: str) -> None:
        """Raises TimeoutError for a client that takes nothing, and breaks off then."""
        try:
            async with asyncio.timeout(SLOWEST_S):
                await self.response.write(text.encode(errors="replace"))
        except TimeoutError:
            if self.request.transport is not None:
                self.request.transport.abort()
            raise


async def _ends(work: Any, closing: asyncio.Event, for_s: float | None) -> None:
    """``work``, until the process ends or the time is over."""
    going = asyncio.ensure_future(work)
    ending = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait((going, ending), timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (going, ending):
            task.cancel()
        results = await asyncio.gather(going, ending, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]


def _seconds(request: web.Request) -> float | None:
    said = request.query.get("for_s", "")
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise invalid("for_s", "exclusiveMinimum", "a number of seconds over 0")
    return seconds


def _accepts(header: str) -> bool:
    kinds = [part.partition(";")[0].strip().lower() for part in header.split(",")]
    return not header or any(kind in ("text/event-stream", "text/*", "*/*") for kind in kinds)


_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
