"""Layer 4: what ``missed_call_alert`` and ``notification`` share: a call's facts in a mail. No module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from callflow.clock import iso
from callflow.engine.call import Call
from callflow.engine.endings import CallEnd
from callflow.log import one_line


def facts_of(call: Call, end: CallEnd | None) -> dict[str, Any]:
    """What the mail and its event say of the call; ``end`` None: it is still up."""
    party = call.party
    facts: dict[str, Any] = {
        "call_id": call.id,
        "account_id": call.account.id,
        "caller_id_number": call.identity.number,
        "caller_id_name": call.identity.name,
        "from_user": party.from_number,
        "from_realm": party.from_realm,
        "to_user": party.to_number,
        "to_realm": party.to_realm,
        "timestamp": iso(call.services.clock.wall()),
    }
    if end is not None:
        facts["call_bridged"] = end.bridged
        facts["message_left"] = end.message_left
        facts["hangup_cause"] = end.cause
        facts["duration_s"] = round(end.duration)
    return {name: value for name, value in facts.items() if value != ""}


def text_of(opening: str, facts: Mapping[str, Any]) -> str:
    """The body: a sentence, then one fact a line."""
    width = max(len(name) for name in facts)
    rows = (f"{name.ljust(width)}  {_shown(value)}" for name, value in facts.items())
    return "\n".join([opening, "", *rows, ""])


def caller_of(call: Call) -> str:
    """The caller for people: name and number."""
    name, number = one_line(call.identity.name, 80), one_line(call.identity.number, 80)
    return f"{name} ({number})" if name and name != number else number


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
