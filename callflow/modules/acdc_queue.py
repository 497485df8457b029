"""Layer 4, module ``acdc_queue``: an agent begins or stops to take the calls of one queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._queue import find_queue, set_member

NO_AGENT = "agent-not_call_center_agent"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The agent is the owner of the phone that calls."""
    await call.answer()
    queue_id, agent = str(data.get("id") or ""), call.variables.owner_id
    if not agent:
        await call.prompt(NO_AGENT)
        return Continue(did="the caller's phone has no owner: no agent")
    if find_queue(queue_id, call) is None:
        return Continue(did="found no such queue")
    takes = data["action"] == "login"
    await set_member(agent, queue_id, takes, call)
    await call.prompt("agent-logged_in" if takes else "agent-logged_out")
    return Continue(did=f"{agent} {'takes' if takes else 'does not take'} the calls of {queue_id}")
