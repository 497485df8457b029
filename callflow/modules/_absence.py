"""Layer 4: who has left a ring group for a while (``ring_group_toggle``). Not a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.clock import GREGORIAN_OFFSET_S
from callflow.engine.call import Call

KIND = "ring_group"
"""The kind of document under which absences are kept, by callflow: ``{"users": {ID: seconds}}``."""

BACK = 0
AWAY = 66_269_664_000
"""Until when a member is away, in seconds since year 0: until 2100, as Kazoo has it."""


def is_away(member: Mapping[str, Any], call: Call) -> bool:
    """Has the member left the group? What callers said counts before ``disable_until`` of the node."""
    kept = (call.account.get(KIND, call.flow_id) or {}).get("users")
    until = member.get("disable_until")
    if member.get("endpoint_type") == "user" and isinstance(kept, Mapping):
        until = kept.get(str(member.get("id")), until)
    known = isinstance(until, int | float) and not isinstance(until, bool)
    return known and float(until or 0) > call.services.clock.wall() + GREGORIAN_OFFSET_S
