"""Layer 4, module ``callflow``: run another callflow of the account; this node's ``_`` runs after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import Branch, Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Branch to the flow ``id``, or to the one written into ``flow``; not found: go on to ``_``."""
    inline = data.get("flow")
    if isinstance(inline, Mapping) and inline:
        return Branch(flow=Flow.parse({"flow": inline}), did="went into the flow written here")
    flow_id = str(data.get("id") or "")
    flow = call.find_callflow(flow_id) if flow_id else None
    if flow is None:
        call.notice(
            "error",
            "CF-RUN-CALLFLOW",
            f"callflow: there is no callflow {flow_id!r}" if flow_id else "callflow: there is no id",
            "The id is a file's name in the account's callflows folder, without .json.",
        )
        return Continue(did="found no such callflow")
    return Branch(flow=flow, did=f"went to callflow {flow_id}")
