"""Layer 4, module ``ring_group``: ring a list of devices, users and groups, and connect who answers first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._absence import is_away
from callflow.modules._group import ring_members


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ring ``endpoints`` but those who have left (``ring_group_toggle``); what comes of it: kazoo.md 2.4."""
    endpoints = data.get("endpoints") or []
    members = [one for one in endpoints if isinstance(one, Mapping) and not is_away(one, call)]
    return await ring_members(members, data, call)
