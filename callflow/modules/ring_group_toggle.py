"""Layer 4, module ``ring_group_toggle``: the caller's user leaves a callflow's ring group, or comes back.

Kazoo writes ``disable_until`` into the callflow; here the callflow stays as its author wrote it, and who is
away is kept beside it (kind ``ring_group``, by callflow).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._absence import AWAY, BACK, KIND

LOGIN = "login"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """``login``: the user's phones ring with the group; ``logout``: they do not, until the next login."""
    await call.answer()
    callflow_id = str(data.get("callflow_id") or "")
    user_id = call.variables.owner_id
    flow = call.find_callflow(callflow_id) if callflow_id else None
    if flow is None:
        call.notice(
            "error",
            "CF-RUN-CALLFLOW",
            f"ring_group_toggle: there is no callflow {callflow_id!r}",
            "The id is a file's name in the account's callflows folder, without .json.",
        )
    if flow is None or not user_id or user_id not in users_in_ring_groups(flow):
        await call.prompt("agent-invalid_choice")
        return Continue(did="the caller is in no ring group of the callflow")
    back = data.get("action") == LOGIN
    await call.change(KIND, callflow_id, {"users": {user_id: BACK if back else AWAY}})
    await call.prompt("agent-logged_in" if back else "agent-logged_out")
    return Continue(did=f"{user_id} {'rings with' if back else 'has left'} the ring group of {callflow_id}")


def users_in_ring_groups(flow: Flow) -> set[str]:
    """The users that ring groups of the flow name."""
    found: set[str] = set()
    todo = [flow.root] if flow.root is not None else []
    while todo:
        node = todo.pop()
        todo += node.children.values()
        members = node.data.get("endpoints") if node.module == "ring_group" else None
        for member in members if isinstance(members, list) else ():
            if isinstance(member, Mapping) and member.get("endpoint_type") == "user":
                found.add(str(member.get("id") or ""))
    return found
