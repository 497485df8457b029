"""Layer 4, module ``group``: ring the members of a group document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._group import ring_members


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ring the group ``id``, or ``endpoints`` where the node has its own (as ``ring_group``)."""
    endpoints = [one for one in data.get("endpoints") or [] if isinstance(one, Mapping)]
    members = endpoints or [{"id": str(data.get("id") or ""), "endpoint_type": "group"}]
    return await ring_members(members, data, call)
