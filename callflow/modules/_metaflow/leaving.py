"""Layer 4, metaflow actions ``transfer``, ``callflow`` and ``hangup``: out of the talk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.channels.channel import DialTarget, TransferRequested
from callflow.engine.call import Call
from callflow.engine.dialling.consulting import Consultation
from callflow.engine.dialling.reaching import reach
from callflow.engine.flow import Flow
from callflow.engine.metaflows import Pressed
from callflow.engine.routing import Router
from callflow.modules._bridging import ringback_of
from callflow.modules._metaflow.holding import music_for
from callflow.modules._metaflow.parties import other, presser

ATTENDED = "attended"

TAKE_BACK = "*1"
"""The digits that end an attended transfer, where none are named (Kazoo)."""


async def transfer(data: Mapping[str, Any], call: Call, pressed: Pressed) -> str:
    """Send the other party to ``target``, or to what the pattern has caught; who has pressed is out, or asks
    there first (attended).
    """
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
    if (data.get("Transfer-Type") or (ATTENDED if data.get("takeback_dtmf") else "")) == ATTENDED:
        phones = _phones(target, call)
        if phones:
            wanted = Consultation(
                target,
                phones,
                await music_for(str(data.get("moh") or ""), call),
                await ringback_of(data, call),
                str(data.get("takeback_dtmf") or TAKE_BACK),
            )
            call.bridging.consult(presser(call, pressed), wanted)
            return f"asks {target} first"
        call.notice(
            "warning",
            "CF-RUN-BLIND",
            f"metaflow transfer: nobody can be asked at {target}, which gets the other party blind",
            "Who is to be asked needs a callflow that begins with device or user, or a number outside.",
        )
    leg = presser(call, pressed)
    leg.listener(leg, TransferRequested(target, "blind"))
    return f"transferred the other party to {target}"


def _phones(number: str, call: Call) -> tuple[DialTarget, ...]:
    """Who can be asked at ``number``: the phones of its callflow, if that begins with any, else the number
    itself, if it is none of the account's. Raises MissingDocument.
    """
    match = Router(call.services).by_number(number, allow_no_match=False, notice=call.notice)
    if match is None:
        return (DialTarget("number", number),)
    root = Flow.parse(match.document).root
    wanted = str(root.data.get("id") or "")
    targets: list[DialTarget] = []
    if root.module == "device":
        targets = [call.endpoint_of_device(wanted)]
    elif root.module == "user":
        targets = call.endpoints_of_user(wanted)
    return tuple(reach(call, targets, can_call_self=True, follow=False).targets) if targets else ()


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
