"""Layer 4, module ``call_pickup``: take the call whose id is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.meeting.pickup import is_approved
from callflow.engine.outcome import Outcome
from callflow.modules._pickup import NOTHING, REFUSED, refuse


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The party on that channel talks with the caller; whoever it talked with is hung up."""
    target = str(data.get("target_call_id") or "")
    if not is_approved(call, {}):
        return await refuse(call, REFUSED, "the caller may not do this")
    other = call.services.calls.find(target)
    if other is not None and other is not call:
        peer, line = other.bridging.peer, other.line.leg
        if peer is None or not other.bridged:
            await call.joins.pick_up(other)
        else:
            await call.joins.take_place(other, line.name if peer.channel.call_id == target else peer.name)
    return await refuse(call, NOTHING, f"there is no call {target!r} to take")
