"""Layer 4, module ``acdc_agent``: an agent logs in or out, pauses, or comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.events import PresenceChanged
from callflow.modules._queue import LOGGED_OUT, PAUSED, READY, set_status, status_of

PAUSE_S = 600
"""How long a pause lasts where nothing says so (Kazoo's acdc ``default_agent_pause_timeout``)."""

NO_AGENT = "agent-not_call_center_agent"
INVALID = "agent-invalid_choice"

CHANGES: dict[tuple[str, str], tuple[str, str]] = {
    ("login", LOGGED_OUT): (READY, "agent-logged_in"),
    ("login", READY): (READY, "agent-already_logged_in"),
    ("logout", READY): (LOGGED_OUT, "agent-logged_out"),
    ("logout", PAUSED): (LOGGED_OUT, "agent-logged_out"),
    ("logout", LOGGED_OUT): (LOGGED_OUT, "agent-logged_out"),
    ("pause", READY): (PAUSED, "agent-pause"),
    ("pause", PAUSED): (PAUSED, "agent-pause"),
    ("resume", PAUSED): (READY, "agent-resume"),
    ("resume", READY): (READY, "agent-resume"),
}
"""Action and status → next status and prompt; anything else is refused (cf_acdc_agent)."""

LAMPS = {
    "green": "idle",
    "terminated": "idle",
    "red_flash": "ringing",
    "early": "ringing",
    "red_solid": "busy",
    "confirmed": "busy",
}
OWN_LAMPS = {READY: "idle", PAUSED: "ringing", LOGGED_OUT: "busy"}
"""What the lamp shows of a status where the node does not say."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The agent is the owner of the phone that calls."""
    await call.answer()
    agent = call.variables.owner_id
    if not agent:
        await call.prompt(NO_AGENT)
        return Continue(did="the caller's phone has no owner: no agent")
    before = status_of(agent, call)
    action = {"paused": "pause"}.get(str(data["action"]), str(data["action"]))
    if action == "toggle":
        action = "login" if before == LOGGED_OUT else "logout"
    change = CHANGES.get((action, before))
    if change is None:
        await call.prompt(INVALID)
        return Continue(did=f"{agent} is {before}: {action} makes no sense")
    status, prompt = change
    pause_s = float(data["timeout"] if data.get("timeout") is not None else PAUSE_S)
    await set_status(agent, status, call, pause_s=pause_s)
    _show(data, status, call)
    await call.prompt(prompt)
    return Continue(did=f"{agent}: {before} → {status}")


def _show(data: Mapping[str, Any], status: str, call: Call) -> None:
    presence_id = str(data.get("presence_id") or "")
    if presence_id:
        call.services.bus.publish(
            PresenceChanged(
                time=call.services.clock.now(),
                call_id=call.id,
                account_id=call.account.id,
                presence_id=presence_id,
                status=LAMPS.get(str(data.get("presence_state")), OWN_LAMPS[status]),
            )
        )
