"""Layer 4, module ``branch_bnumber``: go to the child named like the captured, else the dialled, number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Attempt, Branch, Continue, Outcome
from callflow.modules._children import has_child
from callflow.modules.menu import may_hunt


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The child of that name, else (``hunt``) the account's callflow for the number, else ``_``."""
    number = call.capture_group or call.party.to_number
    if has_child(call, number):
        return Attempt(keys=(number,), otherwise=Continue(), did=f"went by {number}")
    if data["hunt"] and may_hunt(number, data):
        flow = call.route(number)
        if flow is not None:
            return Branch(flow=flow, did=f"hunted for {number}")
        return Continue(did=f"hunted for {number} and found no callflow")
    return Continue(did=f"has no child {number}")
