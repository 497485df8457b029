"""Layer 4, module ``group_pickup``: answer a call that rings at a device, a user's devices, or a group's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._pickup import take_call


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Take the longest ringing call; never an answered one."""
    return await take_call(data, call, answered=False)
