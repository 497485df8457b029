"""Layer 4, module ``page_group``: call many phones at once, which answer by themselves (kazoo.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.engine.call import Call
from callflow.engine.dialling.intercom import auto_answer_headers
from callflow.engine.meeting.pickup import talking_at
from callflow.engine.outcome import Continue, Outcome, Stop
from callflow.engine.paging import Page
from callflow.modules._bridging import may_ring

TWO_WAY = "two-way"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Page the members; ``_`` only if there are none, or none has answered."""
    found = call.endpoints_of_members(data.get("endpoints") or [])
    for error in found.missing:
        call.notice("error", error.code, f"page_group: {error}", error.hint)
    targets = [member.target for member in found.members if _is_paged(member.target, data, call)]
    if not targets:
        return Continue(did="found nobody to page")
    headers = auto_answer_headers(call.party.from_realm)
    page = Page(
        call,
        [replace(target, headers={**headers, **target.headers}) for target in targets],
        timeout_s=float(data["timeout"]),
        two_way=data["audio"] == TWO_WAY,
    )
    result = await page.run()
    if not result.answered:
        return Continue(did=f"paged {len(targets)} phones, and none answered")
    return Stop(did=f"paged {result.answered} of {len(targets)} phones")


def _is_paged(target: DialTarget, data: Mapping[str, Any], call: Call) -> bool:
    """Not the phone that calls, unless ``include_self``; nor one on which somebody talks, unless
    ``barge_calls``.
    """
    calls = target.id == call.party.device_id
    if (calls and data.get("include_self") is not True) or not may_ring(target, call, can_call_self=True):
        return False
    return data["barge_calls"] or not talking_at(call, frozenset({target.id}))
