"""Layer 4, module ``notification``: a mail about the call, at its end or at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.endings import CallEnd
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._mail import caller_of, facts_of, text_of

AT_ONCE = "callflow_exec"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Send it at once (``callflow_exec``, without waiting) or when the call has ended."""
    node, recipients = call.node, call.mailing.addresses(data.get("recipients"))
    if "sms" in (data.get("notification_media") or ()):
        call.notice(
            "warning", "CF-RUN-MAIL", "notification: no SMS is sent here", "Use email, or the module webhook."
        )
    if not data.get("template_id"):
        call.notice(
            "warning",
            "CF-RUN-TEMPLATE",
            "notification: there is no template_id: Kazoo sends nothing then",
            "Write data.template_id: it stands in the mail's subject.",
        )
        return Continue(did="had nothing to send")

    async def tell(end: CallEnd | None) -> None:
        facts = {**facts_of(call, end), "template_id": data["template_id"]}
        if isinstance(data.get("custom_data"), Mapping):
            facts["custom_data"] = data["custom_data"]
        subject = f"{data['template_id']}: call from {caller_of(call)}"
        opening = str(data.get("comments") or f"A call from {caller_of(call)} to {call.party.to_number}.")
        await call.mailing.send(node, recipients, subject, text_of(opening, facts), facts)

    if data["send_at"] == AT_ONCE:
        call.spawn(tell(None))
        return Continue(did="sends a mail")
    wanted = call.endings.add(tell)
    return Continue(did="sends a mail at the call's end" if wanted else "sends nothing")
