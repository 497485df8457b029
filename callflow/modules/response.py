"""Layer 4, module ``response``: refuse the call with a SIP status, perhaps after an announcement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome, Stop
from callflow.errors import CallflowError, CallGone


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Play ``media`` as early media, then end the call with ``code`` and ``message``; children never run."""
    code = int(data["code"])
    if media := data.get("media"):
        await _announce(media, call)
    await call.respond(code, data.get("message") or "")
    return Stop(did=f"answered {code}")


async def _announce(media: str, call: Call) -> None:
    """A caller is to hear the announcement without paying for it: before the answer."""
    try:
        if not call.answered:
            await call.progress()
        await call.play_media(media)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("error", error.code, f"the announcement was not played: {error}", error.hint)
