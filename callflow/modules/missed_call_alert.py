"""Layer 4, module ``missed_call_alert``: a mail when the call ends and nobody answered it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.endings import CallEnd
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._mail import caller_of, facts_of, text_of


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Have the mail sent at the call's end, if nobody talked with the caller and no message was left by then.
    Calls of the account's own devices are not told about, unless ``alert_on_internal_calls``.
    """
    if call.party.device_id and not data["alert_on_internal_calls"]:
        return Continue(did="tells nobody: the caller is a device of the account")
    node, recipients = call.node, call.mailing.addresses(data.get("recipients"))

    async def at_end(end: CallEnd) -> None:
        if end.bridged or end.message_left:
            return
        who = caller_of(call)
        facts = facts_of(call, end)
        body = text_of(f"A call from {who} to {call.party.to_number} was missed.", facts)
        await call.mailing.send(node, recipients, f"Missed call from {who}", body, facts)

    wanted = call.endings.add(at_end)
    return Continue(did="watches for a missed call" if wanted else "tells nobody")
