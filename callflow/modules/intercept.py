"""Layer 4, module ``intercept``: take the ringing or answered call of a device, a user or a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._pickup import take_call


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """A ringing call counts first; of a talk, the place of the device that is meant is taken."""
    return await take_call(data, call, answered=data.get("unanswered_only") is not True)
