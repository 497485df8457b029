"""Layer 4, metaflow action ``record_call``: record the talk, or mask, pause or end what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents.record_settings import resolve_record
from callflow.engine.call import Call
from callflow.engine.metaflows import Pressed
from callflow.engine.recordings import By
from callflow.modules.record_call import changes

TOGGLE = "toggle"


async def record_call(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """As the module of that name, and ``toggle``: end the latest recording that a flow or a metaflow has
    started; if there is none, start one. (Kazoo has no code for ``toggle``, and starts another.)
    """
    action = str(data["action"])
    if action == TOGGLE:
        action = "stop" if call.recordings.latest(By.FLOW) is not None else "start"
    settings = resolve_record({**data, "action": action}, call.settings)
    for note in settings.notes:
        call.notice(note.level, note.code, f"metaflow record_call: {note.message}", note.hint)
    if action == "start":
        await call.announcing.before_recording(settings)
        origin = f"metaflow : {settings.label or pressed.collected}"
        handle = await call.record(settings, origin=origin)
        return "started nothing" if handle is None else f"started recording {handle.id}"
    change, did = changes(call)[action]
    ids = await change(media_id=settings.media_id, media_name=settings.media_name, label=settings.label)
    return f"{did} recording {', '.join(ids)}" if ids else f"{did} nothing: none is on"
