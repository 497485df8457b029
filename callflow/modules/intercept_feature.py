"""Layer 4, module ``intercept_feature``: as ``intercept``, for what the captured digits name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.meeting.pickup import devices_meant
from callflow.engine.outcome import Outcome
from callflow.errors import MissingDocument
from callflow.modules._pickup import NO_TARGET, REFUSED, meant_by_digits, refuse, take_call

APPROVED = ("approved_device_id", "approved_user_id", "approved_group_id")


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Where no ``approved_*`` is given, callers may take only calls of their own devices (as in Kazoo)."""
    meant = meant_by_digits(str(data["type"]), call)
    if meant is None:
        return await refuse(call, NO_TARGET, f"{call.capture_group!r} is no {data['type']}")
    if not any(data.get(key) for key in APPROVED) and not _is_own(meant, call):
        return await refuse(call, REFUSED, "the caller may take only their own calls")
    return await take_call({**data, **meant}, call, answered=data.get("unanswered_only") is not True)


def _is_own(meant: Mapping[str, str], call: Call) -> bool:
    owner = call.variables.owner_id
    try:
        devices = devices_meant(call, meant) or frozenset()
    except MissingDocument:
        return False
    documents = (call.account.get("device", device) or {} for device in devices)
    return bool(owner and devices) and all(document.get("owner_id") == owner for document in documents)
