"""Layer 4, module ``route_to_cid``: ring whoever has the dialled number as its own caller id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._group import ring_members

KINDS = ("device", "user")
"""What has a caller id of its own."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ring the devices and users (``endpoint_types``) whose ``caller_id`` of one of ``cid_types`` is the
    number that was called, as a group. Nobody: ``_``.
    """
    number = call.party.to_number
    if not data["endpoint_types"]:  # as in Kazoo, whose default it is
        return Continue(did="looked for nobody: endpoint_types is empty")
    members = [
        {"id": id, "endpoint_type": kind, "delay": data["delay"]}
        for kind in KINDS
        if kind in data["endpoint_types"]
        for id, document in sorted(call.account.all(kind).items())
        if _has(document, data["cid_types"], number)
    ]
    if not members:
        return Continue(did=f"found nobody whose number is {number}")
    rules = {"repeats": 1, "ringback": "", "ignore_early_media": False, "ignore_forward": False}
    return await ring_members(members, {**rules, **data}, call)


def _has(document: Mapping[str, Any], kinds: list[Any], number: str) -> bool:
    ids = document.get("caller_id")
    parts = [ids.get(kind) for kind in kinds if isinstance(kind, str)] if isinstance(ids, Mapping) else []
    return any(isinstance(part, Mapping) and part.get("number") == number for part in parts)
