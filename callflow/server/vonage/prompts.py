"""Layer 6: sound and digits for one leg of a call: ``/v1/calls/ID/stream``, ``talk``, ``dtmf`` (ncco.md 4.2).

What is played lies over all else that the leg hears, so the script goes on beside it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from callflow.engine.sound.legsound import play_to_legs
from callflow.engine.sound.leveling import at_level
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip
from callflow.ncco.actions.talk import spoken
from callflow.ncco.pressing import press
from callflow.server.parts import Parts
from callflow.server.vonage import bodies
from callflow.server.vonage.answers import reply
from callflow.server.vonage.bodies import wrong
from callflow.server.vonage.door import Guest, guarded
from callflow.server.vonage.reaching import Reached, reach

MOST_LOOPS = 1_000_000
MOST_DIGITS = 100

Clips = Callable[[], Awaitable[tuple[Clip, ...]]]

DIGITS = f"[0-9*#p]{{1,{MOST_DIGITS}}}"
_DIGITS = re.compile(DIGITS)


class Prompts:
    """What is played to legs from outside: one stream and one talk a leg, each replaced by the next."""

    def __init__(self) -> None:
        self._playing: dict[tuple[str, str], asyncio.Task[None]] = {}

    def play(self, reached: Reached, kind: str, clips: Clips, *, loops: int, level: float) -> None:
        """Play; what cannot be had is told as an error event, as it is in a script."""
        self.stop(reached, kind)
        key = (reached.uuid, kind)
        task = asyncio.ensure_future(_play(reached, kind, clips, loops=loops, level=level))
        self._playing[key] = task
        task.add_done_callback(lambda done: self._over(key, done))

    def stop(self, reached: Reached, kind: str) -> None:
        """Play no longer; nothing, if nothing is played."""
        task = self._playing.pop((reached.uuid, kind), None)
        if task is not None:
            task.cancel()

    def _over(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        if self._playing.get(key) is task:
            del self._playing[key]
        if not task.cancelled():
            task.exception()


async def _play(reached: Reached, kind: str, clips: Clips, *, loops: int, level: float) -> None:
    call = reached.call
    try:
        at = await at_level(call, await clips(), level)
        await play_to_legs(call, [reached.leg], at, loops=loops, over=True)
    except CallGone:
        return
    except CallflowError as error:
        await reached.session.report(f"{kind}: {error}", error.hint)


def routes(parts: Parts) -> list[web.RouteDef]:
    """Begin and end each."""
    prompts = Prompts()

    async def stream(request: web.Request, guest: Guest) -> web.StreamResponse:
        body = await bodies.read_object(request)
        reached = _reached(parts, guest, request)
        url = bodies.url(body, "stream_url")
        if not url:
            raise wrong("stream_url", "is required")

        async def clips() -> tuple[Clip, ...]:
            return await reached.call.clips_for(url)

        prompts.play(reached, "stream", clips, loops=_loops(body), level=_level(body))
        return _told(request, reached, "Stream started")

    async def talk(request: web.Request, guest: Guest) -> web.StreamResponse:
        body = await bodies.read_object(request)
        reached = _reached(parts, guest, request)
        said = bodies.text(body, "text")
        if not said:
            raise wrong("text", "is required")
        voice = {
            "language": bodies.text(body, "language", most=40) or "en-US",
            "style": bodies.whole(body, "style", 0, 0, 100),
        }

        async def clips() -> tuple[Clip, ...]:
            return await spoken(said, voice, reached.call)

        prompts.play(reached, "talk", clips, loops=_loops(body), level=_level(body))
        return _told(request, reached, "Talk started")

    def ending(kind: str, message: str) -> Callable[[web.Request, Guest], Awaitable[web.StreamResponse]]:
        async def end(request: web.Request, guest: Guest) -> web.StreamResponse:
            reached = _reached(parts, guest, request)
            prompts.stop(reached, kind)
            return _told(request, reached, message)

        return end

    async def dtmf(request: web.Request, guest: Guest) -> web.StreamResponse:
        body = await bodies.read_object(request)
        reached = _reached(parts, guest, request)
        digits = bodies.text(body, "digits", most=MOST_DIGITS)
        if not _DIGITS.fullmatch(digits):
            raise wrong("digits", "must be digits, *, # and p (a pause)")
        reached.call.spawn(press(reached.call, reached.leg, digits))
        return _told(request, reached, "DTMF sent")

    base = "/v1/calls/{uuid}"
    return [
        web.put(f"{base}/stream", guarded(parts, stream)),
        web.delete(f"{base}/stream", guarded(parts, ending("stream", "Stream stopped"))),
        web.put(f"{base}/talk", guarded(parts, talk)),
        web.delete(f"{base}/talk", guarded(parts, ending("talk", "Talk stopped"))),
        web.put(f"{base}/dtmf", guarded(parts, dtmf)),
    ]


def listening_routes(parts: Parts) -> list[web.RouteDef]:
    """Digits of the first leg one by one: ``/v1/calls/ID/input/dtmf``."""

    async def listen(request: web.Request, guest: Guest) -> web.StreamResponse:
        body = await bodies.read_object(request)
        reached = _reached(parts, guest, request)
        webhook = bodies.webhook(body, "event") or reached.session.application.event
        if webhook is None:
            raise wrong("event_url", "is required: the application has none")
        reached.session.listen_digits(webhook)
        return _told(request, reached, "DTMF listener started")

    async def leave(request: web.Request, guest: Guest) -> web.StreamResponse:
        reached = _reached(parts, guest, request)
        if not reached.session.stop_digits():
            raise wrong("uuid", "no digits of this call are sent one by one")
        return _told(request, reached, "DTMF listener stopped")

    path = "/v1/calls/{uuid}/input/dtmf"
    return [web.put(path, guarded(parts, listen)), web.delete(path, guarded(parts, leave))]


def _reached(parts: Parts, guest: Guest, request: web.Request) -> Reached:
    return reach(parts, guest, request.match_info["uuid"]).answered()


def _loops(body: dict[str, Any]) -> int:
    return bodies.whole(body, "loop", 1, 0, MOST_LOOPS)


def _level(body: dict[str, Any]) -> float:
    return bodies.number(body, "level", 0.0, -1.0, 1.0)


def _told(request: web.Request, reached: Reached, message: str) -> web.Response:
    return reply(request, {"message": message, "uuid": reached.uuid})
