"""Layer 4: what ``eavesdrop`` and ``eavesdrop_feature`` share. Not a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.meeting.eavesdropping import Eavesdrop
from callflow.engine.meeting.pickup import is_approved, talking_at
from callflow.engine.outcome import Outcome, Stop
from callflow.modules._pickup import NOBODY, NOTHING, devices_named, refuse

APPROVED = ("approved_device_id", "approved_user_id", "approved_group_id")
REFUSED = "eavesdrop-no_channels"


def may_listen(data: Mapping[str, Any], call: Call) -> bool:
    """Without any ``approved_*`` nobody may (cf_eavesdrop)."""
    return any(data.get(key) for key in APPROVED) and is_approved(call, data)


async def listen_in(data: Mapping[str, Any], call: Call) -> Outcome:
    """Listen to the first talk of the devices that ``data`` names, until its party has gone."""
    if not may_listen(data, call):
        return await refuse(call, REFUSED, "the caller may not listen")
    devices = devices_named(data, call)
    if not devices:
        return await refuse(call, NOBODY, "there are no such devices")
    talks = [seen for seen in talking_at(call, devices) if seen.call is not call]
    if not talks:
        return await refuse(call, NOTHING, "found no talk to listen to")
    await Eavesdrop(call, talks[0]).run()
    return Stop(did=f"listened to {talks[0].party.device_id} until that call was over")
