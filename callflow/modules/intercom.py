"""Layer 4, module ``intercom``: call an extension whose phones answer by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.dialling.intercom import Intercom
from callflow.engine.outcome import Branch, Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Go to the flow of the captured number; what rings from there on is asked to answer by itself. Without a
    number or a flow (``no_match`` does not count): ``_``.
    """
    number = call.capture_group
    flow = call.route(number) if number else None
    if flow is None:
        return Continue(did=f"found no callflow for {number}" if number else "no number was captured")
    call.identity.intercom = Intercom(barges=data["barge_calls"])
    return Branch(flow=flow, did=f"calls {number}, which is to answer by itself")
