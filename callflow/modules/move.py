"""Layer 4, module ``move``: the talk of the caller's user goes on at the device that calls here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.dialling.endpoints import user_targets
from callflow.engine.meeting.pickup import talking_at
from callflow.engine.outcome import Outcome
from callflow.errors import MissingDocument
from callflow.modules._pickup import refuse


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Take the place of the user's device in its talk. Children never run."""
    owner = str(data.get("owner_id") or "") or call.variables.owner_id
    if not owner:
        return await refuse(call, "cf-move-no_owner", "the caller's device has no owner")
    try:
        devices = {target.id for target in user_targets(call.services, owner)}
    except MissingDocument as error:
        call.notice("error", error.code, f"move: {error}", error.hint)
        return await refuse(call, "cf-move-no_owner", f"there is no user {owner!r}")
    if only := str(data.get("device_id") or ""):
        devices &= {only}
    found = talking_at(call, devices)
    if len(found) > 1:
        return await refuse(call, "cf-move-too_many_channels", f"{owner} has {len(found)} talks")
    for seen in found:
        await call.joins.take_place(seen.call, seen.leg)
    return await refuse(call, "cf-move-no_channel", f"{owner} has no talk to move")
