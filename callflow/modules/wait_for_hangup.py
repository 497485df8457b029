"""Layer 4, module ``wait_for_hangup``: hold the walk here until the caller hangs up (kazoo.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome, Stop


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Wait. A walk ends with its caller, so there is no child to go on to afterwards."""
    await call.wait_for_hangup()
    return Stop(did="waited until the caller hung up")
