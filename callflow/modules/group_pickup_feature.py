"""Layer 4, module ``group_pickup_feature``: as ``group_pickup``, for what the captured digits name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._pickup import NO_TARGET, meant_by_digits, refuse, take_call


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Find who is meant, then pick up."""
    meant = meant_by_digits(str(data["type"]), call)
    if meant is None:
        return await refuse(call, NO_TARGET, f"{call.capture_group!r} is no {data['type']}")
    return await take_call({**data, **meant}, call, answered=False)
