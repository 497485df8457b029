"""Layer 4, metaflow actions ``transfer``, ``callflow`` and ``hangup``: out of the talk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.channels.channel import TransferRequested
from callflow.engine.call import Call
from callflow.engine.metaflows import Pressed
from callflow.modules._metaflow.parties import other, presser

ATTENDED = "attended"


async def transfer(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """Send the other party to ``target``, or to what the pattern has caught; who has pressed is out."""
    target = str(data.get("target") or "") or (pressed.captures[0] if pressed.captures else "")
    if not target:
        call.notice(
            "error",
            "CF-RUN-TRANSFER-TARGET",
            "metaflow transfer: there is no target",
            "Write data.target, or a pattern with a group: ^2([0-9]+)$.",
        )
        return "had no target"
    if other(call, pressed) is None:
        return "transferred nobody: nobody is there"
    if data.get("takeback_dtmf") or data.get("Transfer-Type") == ATTENDED:
        call.notice(
            "warning",
            "CF-RUN-BLIND",
            f"metaflow transfer: an attended transfer is asked for; {target} gets the other party blind",
            "Leave takeback_dtmf and Transfer-Type out; a phone can transfer attended by itself.",
        )
    leg = presser(call, pressed)
    leg.listener(leg, TransferRequested(target, "blind"))
    return f"transferred the other party to {target}"


async def callflow(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """Send the one on the line into the callflow ``id``, or the one that has the number that the pattern has
    caught; who talks with it is out.
    """
    flow_id = str(data.get("id") or "")
    number = pressed.captures[0] if pressed.captures else pressed.collected
    flow = call.find_callflow(flow_id) if flow_id else call.route(number)
    if flow is None:
        wanted = f"there is no callflow {flow_id!r}" if flow_id else f"no callflow has the number {number!r}"
        call.notice(
            "error",
            "CF-RUN-CALLFLOW",
            f"metaflow callflow: {wanted}",
            "The id is a file's name in the account's callflows folder, without .json.",
        )
        return "found no such callflow"
    if not call.bridging.leave_for(flow):
        return "sent nobody: nobody is there"
    return f"sent the caller to callflow {flow.id or flow_id}"


async def hangup(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """End the call."""
    await call.hangup()
    return "ended the call"
