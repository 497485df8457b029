"""Layer 3: sound for any leg of a call, not only the one on the line: played, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from callflow.media.messages import Clip, Play, PlaybackDone, StopPlay

if TYPE_CHECKING:
    from callflow.engine.call import Call


async def play_to_legs(
    call: Call, legs: Sequence[str], clips: Sequence[Clip], *, loops: int = 1, over: bool = False
) -> None:
    """Play ``clips`` to all of ``legs`` at once and wait until the last has heard them; a leg that goes
    meanwhile, or sound that cannot be played (a notice says so), is not waited for. ``over``: laid over
    all else that they hear. Raises ``CallGone``.
    """

    async def together() -> None:
        await asyncio.gather(*(_play(call, leg, tuple(clips), loops, over) for leg in legs))

    if clips and legs:
        await call.line.guard(together())


async def _play(call: Call, leg: str, clips: tuple[Clip, ...], loops: int, over: bool) -> None:
    media, playback = call.services.media, call.services.ids.short()
    done: asyncio.Future[PlaybackDone] = asyncio.get_running_loop().create_future()

    def hear(event: object) -> None:
        if isinstance(event, PlaybackDone) and event.playback == playback and not done.done():
            done.set_result(event)

    unsubscribe = media.subscribe(hear, leg=leg)
    media.send(Play(leg, playback, clips, loops=loops, over=over))
    try:
        ended = await done
    except asyncio.CancelledError:
        media.send(StopPlay(leg, playback))
        raise
    finally:
        unsubscribe()
    if ended.reason == "failed":
        call.notice("error", "CF-RUN-SOUND", f"the sound was not played: {ended.message}")
