"""Layer 4: what modules that ring somebody share. Not a module of its own: how a ring ends (kazoo.md 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.engine.call import BridgeResult, Call
from callflow.engine.dialling.identity import HIDDEN
from callflow.engine.dialling.reaching import reach
from callflow.engine.outcome import Attempt, Continue, HandOver, Outcome, ReplaceFlow, Stop
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, ToneClip

DEFAULT_TIMEOUT_S = 20.0
"""What a ``timeout`` of 0, the schema's default for a device, means (kazoo.md 3)."""

NO_CODE = 600
"""The status that stands for a failure without one of its own (kazoo.md 2.4)."""


async def ring(
    targets: Sequence[DialTarget], data: Mapping[str, Any], call: Call, *, one_by_one: bool = False
) -> Outcome:
    """Ring ``targets`` (together, or one after the other) and say how the walk goes on."""
    found = reach(
        call,
        [with_wishes(target, data, call) for target in targets],
        can_call_self=data["can_call_self"],
    )
    if found.flow is not None:
        return ReplaceFlow(flow=found.flow, did="forwarded the caller")
    wanted = list(found.targets)
    together = [wanted] if wanted else []
    result = BridgeResult(answered=False, cause="")
    for group in [[target] for target in wanted] if one_by_one else together:
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
    return Attempt(
        keys=keys_of(result),
        otherwise=Continue(did="went on after the failure"),
        did=f"was not answered: {result.cause}",
    )


def keys_of(result: BridgeResult) -> tuple[str, str]:
    """The children that a failure may lead to: the cause's, the status's."""
    return result.cause, f"sip:{result.code or NO_CODE}"


def may_ring(target: DialTarget, call: Call, *, can_call_self: bool = False) -> bool:
    """A caller's own phones (of one user) ring only if ``can_call_self`` says so. Nor is one rung that is
    switched off, or whose owner or itself is not to be disturbed. Forwarding is not followed here:
    ``callflow.engine.dialling.reaching`` does all of it.
    """
    return bool(reach(call, [target], can_call_self=can_call_self, follow=False).targets)


def with_wishes(target: DialTarget, data: Mapping[str, Any], call: Call) -> DialTarget:
    """The target with what the node says about delay, headers, user name and caller id."""
    headers = data.get("custom_sip_headers") or {}
    document = target.document
    if invite := data.get("static_invite"):
        sip = document.get("sip")
        document = {**document, "sip": {**(sip if isinstance(sip, Mapping) else {}), "static_invite": invite}}
    caller = replace(call.party, from_number=HIDDEN, from_name="") if data.get("suppress_clid") else None
    return replace(
        target,
        document=document,
        caller=caller or target.caller,
        delay_s=target.delay_s + float(data.get("delay") or 0),
        headers={**target.headers, **{str(name): str(value) for name, value in headers.items()}},
    )


async def ringback_of(data: Mapping[str, Any], call: Call) -> Clip | None:
    """What the caller is to hear meanwhile: a tone or a media id; None: the usual ringback."""
    said = str(data.get("ringback") or "")
    if not said:
        return None
    if said.startswith("%("):
        return ToneClip(said)
    try:
        clips = await call.clips_for(said)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("warning", error.code, f"the ringback cannot be played: {error}", error.hint)
        return None
    return clips[0] if clips else None
