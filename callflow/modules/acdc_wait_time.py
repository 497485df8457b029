"""Layer 4, module ``acdc_wait_time``: branch by how long callers of a queue have to wait, on average."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.flow import DEFAULT_KEY
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The child of the highest number of seconds that the average exceeds; none: ``_``."""
    room = call.services.calls.queues.room(str(data.get("id") or ""))
    average = room.average_wait(call.services.clock.now(), float(data.get("window") or 0))
    keys = sorted((key for key in call.node.children if key.isascii() and key.isdigit()), key=int)
    exceeded = [key for key in keys if average > int(key)]
    return Continue(
        key=exceeded[-1] if exceeded else DEFAULT_KEY, did=f"callers wait {average:.1f} s on average"
    )
