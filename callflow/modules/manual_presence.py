"""Layer 4, module ``manual_presence``: set a lamp. It is told as an event, and kept until it is set again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.events import PresenceChanged

PRESENCE = "presence"
"""The kind of document under which lamps are kept."""

LONGEST = 256
"""Characters of a lamp's id."""

MOST_LAMPS = 10_000
"""So many an account may have; ids come from captured digits, too."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Set the lamp ``presence_id`` (no realm: in the account's; no id: the captured number)."""
    await call.answer()
    presence_id = str(data.get("presence_id") or call.capture_group)
    status = str(data["status"])
    if not presence_id or len(presence_id) > LONGEST or not presence_id.isprintable():
        call.notice(
            "error", "CF-RUN-PRESENCE", "manual_presence: there is no presence_id", "Write which lamp."
        )
        return Continue(did="had no lamp")
    if "@" not in presence_id:
        presence_id = f"{presence_id}@{call.account.document.get('realm') or call.party.to_realm}"
    lamps = call.account.all(PRESENCE)
    if presence_id not in lamps and len(lamps) >= MOST_LAMPS:
        call.notice("error", "CF-RUN-PRESENCE", f"manual_presence: there are {MOST_LAMPS} lamps already")
        return Continue(did="had too many lamps")
    await call.change(PRESENCE, presence_id, {"status": status})
    call.services.bus.publish(
        PresenceChanged(
            time=call.services.clock.now(),
            call_id=call.id,
            account_id=call.account.id,
            presence_id=presence_id,
            status=status,
        )
    )
    return Continue(did=f"set {presence_id} to {status}")
