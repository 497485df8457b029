"""Layer 3: who answers a forwarded call must press a key to get it (Kazoo's ``require_keypress``)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from callflow.engine.services import Services
from callflow.media.messages import Clip, Digit, Play, PlaybackDone, StopPlay

ACCEPT = "1"
"""The key that accepts; any other one refuses."""

CONFIRM_S = 15.0
"""How long who has answered may take to press it."""

PROMPT = "ivr-group_confirm"


async def accepts(services: Services, leg: str, clips: Sequence[Clip]) -> bool:
    """Play ``clips`` to the leg, again and again, until a key is pressed; True: it was the right one. Who is
    asked is somebody's own task: cancel it when the call is somebody else's or over.
    """
    pressed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(event: Digit | PlaybackDone) -> None:
        if isinstance(event, Digit) and not pressed.done():
            pressed.set_result(event.digit)

    services.router.watch_leg(leg, hear)
    playback = services.ids.short()
    if clips:
        services.media.send(Play(leg, playback, tuple(clips), loops=0, now=True))
    try:
        async with asyncio.timeout(CONFIRM_S):
            return await pressed == ACCEPT
    except TimeoutError:
        return False
    finally:
        services.router.forget_leg(leg)
        if clips:
            services.media.send(StopPlay(leg, playback))
