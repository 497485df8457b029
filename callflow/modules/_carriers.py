"""Layer 4: what ``resources`` and ``offnet`` share: a call out, by one gateway or the next. No module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from callflow.channels.channel import DialTarget, Party
from callflow.documents.resources import EMERGENCY
from callflow.engine.call import BridgeResult, Call
from callflow.engine.outcome import Attempt, HandOver, Outcome, Stop
from callflow.modules._bridging import keys_of, ringback_of, with_wishes
from callflow.modules._children import has_child, wildcard_is_empty

DEFAULT_TIMEOUT_S = 60.0
"""How long a number rings when the node says nothing."""

REACHED = frozenset({"USER_BUSY", "NO_ANSWER", "CALL_REJECTED"})
"""The callee was reached and does not want: no other carrier will change that. (Not NO_USER_RESPONSE: that is
a gateway that says nothing, too.)
"""

NO_WAY_OUT = BridgeResult(answered=False, cause="NO_ROUTE_DESTINATION", code=404)

AS_DIALED = "fault-can_not_be_completed_as_dialed"
AT_THIS_TIME = "fault-can_not_be_completed_at_this_time"
PROMPTS = {
    "UNALLOCATED_NUMBER": AS_DIALED,
    "NO_ROUTE_DESTINATION": AS_DIALED,
    "INVALID_NUMBER_FORMAT": AS_DIALED,
    "NORMAL_TEMPORARY_FAILURE": AT_THIS_TIME,
    "DESTINATION_OUT_OF_ORDER": AT_THIS_TIME,
    "RECOVERY_ON_TIMER_EXPIRE": AT_THIS_TIME,
    "SERVICE_NOT_IMPLEMENTED": AT_THIS_TIME,
}
"""What a caller hears who has nowhere to go on to."""


async def dial_out(data: Mapping[str, Any], call: Call) -> Outcome:
    """Call a number by the account's carriers. Answered: the call is over when the talk is. Failed: the child
    of the cause or of the status, never ``_`` (kazoo.md 2.4).
    """
    number = str(data.get("to_did") or call.party.to_number)
    flags = [str(flag) for flag in data.get("outbound_flags") or []]
    caller = _shown(data, call, number)
    targets = [
        replace(with_wishes(target, _headers(data, call), call), caller=caller)
        for target in call.endpoints_of_number(number, flags)
    ]
    if not targets:
        call.notice(
            "error",
            "CF-RUN-CARRIER",
            f"{call.node.module}: no resource of the account takes the number {number!r}",
            "See rules and flags of the documents in the account's resources folder.",
        )
    result = await _try_each(targets, data, call)
    if result.transferred:
        return HandOver(did="was transferred")
    if result.answered:
        return Stop(did="was connected until the end of the bridge")
    keys = keys_of(result)
    if wildcard_is_empty(call) and not any(has_child(call, key) for key in keys):
        await _announce(result.cause, call)
    return Attempt(keys=keys, otherwise=Stop(cause=result.cause), did=f"was not answered: {result.cause}")


async def _try_each(targets: list[DialTarget], data: Mapping[str, Any], call: Call) -> BridgeResult:
    """One gateway after the other, until one connects or the callee was reached."""
    result = NO_WAY_OUT
    ringback = await ringback_of(data, call) if targets else None
    for target in targets:
        result = await call.bridge(
            [target],
            timeout_s=float(data.get("timeout") or DEFAULT_TIMEOUT_S),
            ringback=ringback,
            ignore_early_media=data["ignore_early_media"],
        )
        if result.answered or result.transferred or result.cause in REACHED:
            break
    return result


def _shown(data: Mapping[str, Any], call: Call, number: str) -> Party:
    """Who the callee sees: the documents' caller id of the wanted kind, else the caller's own."""
    kind = "emergency" if number in EMERGENCY else str(data.get("caller_id_type") or "external")
    return call.identity.shown(kind)


def _headers(data: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
    headers = dict(data.get("custom_sip_headers") or {})
    if data.get("emit_account_id"):
        headers["X-Account-ID"] = call.account.id
    return {"custom_sip_headers": headers}


async def _announce(cause: str, call: Call) -> None:
    if cause in PROMPTS:
        await call.progress()
        await call.prompt(PROMPTS[cause])
