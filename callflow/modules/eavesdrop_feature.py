"""Layer 4, module ``eavesdrop_feature``: listen to a call of whoever an extension rings, by feature code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.meeting.pickup import devices_meant, group_devices
from callflow.engine.outcome import Outcome
from callflow.errors import MissingDocument
from callflow.modules._eavesdrop import REFUSED, listen_in, may_listen
from callflow.modules._pickup import meant_by_digits, refuse


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The captured digits are an extension; ``group_id``: only of members of that group."""
    meant = meant_by_digits("extension", call)
    if meant is None or not may_listen(data, call) or not _is_member(meant, data, call):
        return await refuse(call, REFUSED, f"may not listen to {call.capture_group!r}")
    approved = {key: value for key, value in data.items() if key.startswith("approved_")}
    return await listen_in({**approved, **meant}, call)


def _is_member(meant: Mapping[str, str], data: Mapping[str, Any], call: Call) -> bool:
    group = data.get("group_id")
    if not group:
        return True
    try:
        devices = devices_meant(call, meant) or frozenset()
        return bool(devices) and devices <= group_devices(call, str(group))
    except MissingDocument as error:
        call.notice("error", error.code, f"eavesdrop_feature: {error}", error.hint)
        return False
