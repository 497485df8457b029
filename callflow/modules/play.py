"""Layer 4, module ``play``: play an audio file, url, prompt or tone to the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.log import mask_url

FOR_EVER = 0


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Play ``id`` until it ends or a terminator is pressed.

    Raises what ``play_media`` raises for media that is not there; the walker reports it and goes on.
    """
    media = data.get("id") or ""
    if not media:
        call.notice(
            "error", "CF-RUN-PLAY", "play: there is no id", "Name a media id, url or prompt in data.id."
        )
        return Continue(did="had nothing to play")
    if data.get("answer", True):
        await call.answer()
    else:
        await call.progress()
    loops = FOR_EVER if data["endless_playback"] else int(data.get("loop_count") or 1)
    digit = await call.play_media(media, terminators="".join(data["terminators"]), loops=loops)
    shown = mask_url(media) if "://" in media else media
    return Continue(did=f"played {shown}" + (f", ended by digit {digit}" if digit else ""))
