"""Layer 4, metaflow actions ``play``, ``say``, ``tts`` and ``break``: sound for one party, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.metaflows import Pressed
from callflow.engine.sound.legsound import play_to_legs
from callflow.log import mask_url
from callflow.media.messages import StopPlay
from callflow.modules._metaflow.parties import BOTH, legs
from callflow.modules._speaking import spoken


async def play(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """Play a media id, url, prompt or tone; meanwhile who hears it does not hear the other."""
    media_id = str(data.get("id") or "")
    if not media_id:
        return "had nothing to play"
    clips = await call.clips_for(media_id)
    await play_to_legs(call, legs(call, pressed, str(data["leg"])), clips)
    return f"played {mask_url(media_id) if '://' in media_id else media_id}"


async def say(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """Speak ``text``."""
    text = str(data.get("text") or "")
    if not text:
        return "had nothing to say"
    clips = await spoken(
        text, call, voice=str(data.get("voice") or ""), language=str(data.get("language") or "")
    )
    await play_to_legs(call, legs(call, pressed, str(data["leg"])), clips)
    return f"said {text}" if clips else "said nothing"


async def stop_playing(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """End what is being played to both."""
    for leg in legs(call, pressed, BOTH):
        call.services.media.send(StopPlay(leg))
    return "ended what was played"
