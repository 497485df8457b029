"""Layer 4, module ``acdc_member``: put the caller into a queue, where agents take the calls in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, HandOver, Outcome, Stop
from callflow.modules._queue import find_queue
from callflow.modules._queue_member import Member


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """A talk with an agent is the end of the call; a caller whom nobody took goes on to ``_``."""
    queue_id = str(data.get("id") or "")
    rules = find_queue(queue_id, call)
    if rules is None:
        return Continue(did="found no such queue")
    await call.answer()
    end = await Member(call, queue_id, rules, int(data.get("priority") or 0)).run()
    if end.transferred:
        return HandOver(did=f"talked with {end.agent}, and was transferred")
    if end.reason == "handled":
        return Stop(did=f"waited {end.waited:.1f} s, talked with {end.agent or 'who picked up'}")
    return Continue(did=f"left the queue after {end.waited:.1f} s: {end.reason}")
