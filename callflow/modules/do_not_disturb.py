"""Layer 4, module ``do_not_disturb``: no call rings the caller's phones until it is switched off again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome, Stop
from callflow.modules._feature import find


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Switch it for ``id`` (a user or device), else the caller's user, else the caller's phone."""
    id = str(data.get("id") or "")
    mine = find(
        call,
        ("user", id),
        ("device", id),
        ("user", call.variables.owner_id),
        ("device", call.party.device_id),
    )
    if mine is None:
        await call.prompt("dnd-not_available")
        return Stop(did="found nobody whose it would be")
    await call.answer()
    on = mine.part("do_not_disturb").get("enabled") is True
    wanted = {"activate": True, "deactivate": False, "toggle": not on}.get(str(data.get("action")))
    if wanted is None:
        await call.prompt("dnd-not_available")
        return Continue(did="had no action")
    if wanted != on:
        await call.change(mine.kind, mine.id, {"do_not_disturb": {"enabled": wanted}})
    await call.prompt("dnd-activated" if wanted else "dnd-deactivated")
    return Continue(did=f"do not disturb is {'on' if wanted else 'off'} for {mine.kind} {mine.id}")
