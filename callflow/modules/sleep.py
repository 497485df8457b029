"""Layer 4, module ``sleep``: let so much time of the call go by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome

SECONDS_IN = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Wait ``duration`` of ``unit``; ends early, with the walk, if the caller hangs up."""
    seconds = data["duration"] * SECONDS_IN[data["unit"]]
    if seconds > 0:
        await call.sleep(seconds)
    return Continue(did=f"slept {seconds:g} s")
