"""Layer 4: what ``user`` and ``device`` share. Not a module of its own: how a ring ends (kazoo.md 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.engine.call import BridgeResult, Call
from callflow.engine.outcome import Attempt, Continue, HandOver, Outcome, Stop

DEFAULT_TIMEOUT_S = 20.0
"""What a ``timeout`` of 0, the schema's default for a device, means (kazoo.md 3)."""

NO_CODE = 600
"""The status that stands for a failure without one of its own (kazoo.md 2.4)."""


async def ring(
    targets: Sequence[DialTarget], data: Mapping[str, Any], call: Call, *, one_by_one: bool = False
) -> Outcome:
    """Ring ``targets`` (together, or one after the other) and say how the walk goes on."""
    wanted = [_with_wishes(target, data) for target in targets if _may_ring(target, data, call)]
    result = BridgeResult(answered=False, cause="")
    for group in [[target] for target in wanted] if one_by_one else [wanted] if wanted else []:
        result = await call.bridge(
            group,
            timeout_s=float(data["timeout"] or DEFAULT_TIMEOUT_S),
            fail_on_single_reject=data["fail_on_single_reject"],
        )
        if result.answered or result.transferred:
            break
    return after_bridge(result)


def after_bridge(result: BridgeResult) -> Outcome:
    """Answered: the call is over when the bridge is. Else the child of the cause, of the status, or ``_``."""
    if result.transferred:
        return HandOver(did="was transferred")
    if result.answered:
        return Stop(did="was connected until the end of the bridge")
    if not result.cause:
        return Continue(did="found nothing to ring")
    keys = (result.cause, f"sip:{result.code or NO_CODE}")
    return Attempt(
        keys=keys,
        otherwise=Continue(did="went on after the failure"),
        did=f"was not answered: {result.cause}",
    )


def _may_ring(target: DialTarget, data: Mapping[str, Any], call: Call) -> bool:
    """A caller's own device is busy calling: it rings only if ``can_call_self`` says so. Nor is one rung that
    is switched off, or whose owner or itself is not to be disturbed.
    """
    if target.endpoint == "device" and target.id == call.party.device_id and not data["can_call_self"]:
        return False
    owner = call.account.get("user", str(target.document.get("owner_id") or "")) or {}
    return not any(_is_quiet(document) for document in (target.document, owner))


def _is_quiet(document: Mapping[str, Any]) -> bool:
    disturb = document.get("do_not_disturb")
    wants_quiet = isinstance(disturb, Mapping) and disturb.get("enabled") is True
    return wants_quiet or document.get("enabled") is False


def _with_wishes(target: DialTarget, data: Mapping[str, Any]) -> DialTarget:
    headers = data.get("custom_sip_headers") or {}
    return replace(
        target,
        delay_s=target.delay_s + float(data["delay"]),
        headers={**target.headers, **{str(name): str(value) for name, value in headers.items()}},
    )
