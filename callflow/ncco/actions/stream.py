"""Layer 4, action ``stream``: plays a file from a url (ncco.md 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.log import mask_url
from callflow.ncco.moves import Move, Next
from callflow.ncco.prompting import play_prompt
from callflow.ncco.session import Session


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Answer, fetch ``streamUrl`` through the guard and play it."""
    url = data["streamUrl"][0]
    await call.answer()
    clips = await call.clips_for(url)
    said = await play_prompt(clips, data, call, session)
    return Next(did=f"played {mask_url(url)}" + (f", {said}" if said else ""))
