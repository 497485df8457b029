"""Layer 4, metaflow actions ``hold`` and ``resume``: the other party hears music until it is wanted again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.metaflows import Pressed
from callflow.engine.sound.holdmusic import NO_MUSIC
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, Hold, Play, StopPlay
from callflow.modules._metaflow.parties import other, presser


async def hold(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """Part the two without ending their talk, until whoever has pressed presses ``unhold_key``."""
    held, mine = other(call, pressed), presser(call, pressed)
    if held is None:
        return "held nobody: nobody is there"
    if call.metaflows.held:
        return "is on hold already"
    media = call.services.media
    music = await music_for(str(data.get("moh_bleg") or data.get("moh_aleg") or data.get("moh") or ""), call)
    own = await music_for(str(data["moh_aleg"]), call) if data.get("moh_aleg") else ()
    playbacks = {leg: call.services.ids.short() for leg in (held.name, mine.name)}

    def end() -> None:
        for leg, playback in playbacks.items():
            media.send(StopPlay(leg, playback))
        media.send(Hold(mine.name, False))

    media.send(Hold(mine.name, True))
    for leg, clips in ((held.name, music), (mine.name, own)):
        if clips:
            media.send(Play(leg, playbacks[leg], clips, loops=0))
    call.metaflows.hold(mine.name, str(data["unhold_key"]), end)
    return "put the other party on hold"


async def resume(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """Take the other party from hold."""
    return "went on with the talk" if call.metaflows.unhold() else "nobody was on hold"


async def music_for(media_id: str, call: Call) -> tuple[Clip, ...]:
    """What is to be heard on hold: as told, else the account's ``music_on_hold``, else two soft notes."""
    music = call.account.document.get("music_on_hold")
    wanted = media_id or str(music.get("media_id") or "" if isinstance(music, Mapping) else "")
    if not wanted:
        return (NO_MUSIC,)
    try:
        return await call.clips_for(wanted)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("error", error.code, f"metaflow hold: no music: {error}", error.hint)
        return ()
