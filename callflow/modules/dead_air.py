"""Layer 4, module ``dead_air``: answer and say nothing until the caller gives up (kazoo.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome, Stop


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Answer, then wait for the caller's hangup; children never run."""
    await call.answer()
    await call.wait_for_hangup()
    return Stop(did="was silent until the caller hung up")
