"""Layer 4, module ``call_waiting``: whether a second call rings while the caller talks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome, Stop
from callflow.modules._feature import find


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Switch it for the phone that calls, or (``scope`` user) for the user whose phone it is."""
    whose = {"user": call.variables.owner_id, "device": call.party.device_id}
    scope = str(data["scope"])
    mine = find(call, (scope, whose.get(scope, "")))
    if mine is None:
        await call.prompt("cw-not_available")
        return Stop(did=f"found no {scope} whose it would be")
    await call.answer()
    on = mine.part("call_waiting").get("enabled") is not False
    wanted = {"activate": True, "deactivate": False}.get(str(data["action"]), not on)
    if mine.part("call_waiting").get("enabled") is not wanted:
        await call.change(mine.kind, mine.id, {"call_waiting": {"enabled": wanted}})
    await call.prompt("cw-activated" if wanted else "cw-deactivated")
    return Continue(did=f"call waiting is {'on' if wanted else 'off'} for {mine.kind} {mine.id}")
