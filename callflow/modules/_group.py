"""Layer 4: what ``ring_group`` and ``group`` share. Not a module of its own: members, strategies, rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.engine.call import BridgeResult, Call
from callflow.engine.dialling.endpoints import Member
from callflow.engine.dialling.reaching import reach
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._bridging import DEFAULT_TIMEOUT_S, after_bridge, ringback_of

TOGETHER = "simultaneous"
WEIGHTED = "weighted_random"
REJECTED = "CALL_REJECTED"


async def ring_members(members: Sequence[Mapping[str, Any]], data: Mapping[str, Any], call: Call) -> Outcome:
    """Ring the devices behind ``members`` as ``data`` says (strategy, timeout, repeats, ringback)."""
    found = call.endpoints_of_members(members)
    for error in found.missing:
        call.notice("error", error.code, f"{call.node.module}: {error}", error.hint)
    ready = [
        Member(target, member.weight)
        for member in found.members
        for target in reach(call, [member.target], direct=False, follow=not data["ignore_forward"]).targets
    ]
    rounds = _rounds(ready, data, call)
    if not rounds:
        return Continue(did="found nothing to ring")
    ringback = await ringback_of(data, call)
    result = BridgeResult(answered=False, cause="")
    for _ in range(int(data["repeats"])):
        for targets in rounds:
            result = await call.bridge(
                targets,
                timeout_s=float(data["timeout"] or DEFAULT_TIMEOUT_S),
                ringback=ringback,
                fail_on_single_reject=data["fail_on_single_reject"],
                ignore_early_media=data["ignore_early_media"],
                follow_forwards=not data["ignore_forward"],
            )
            refused = data["fail_on_single_reject"] and result.cause == REJECTED
            if result.answered or result.transferred or refused:
                return after_bridge(result)
    return after_bridge(result)


def _rounds(members: Sequence[Member], data: Mapping[str, Any], call: Call) -> list[list[DialTarget]]:
    """Who rings together, one round after the other."""
    total = float(data["timeout"] or DEFAULT_TIMEOUT_S)
    if data["strategy"] == TOGETHER:
        targets = [_until(member.target, total) for member in members if member.target.delay_s < total]
        return [targets] if targets else []
    drawn = data["strategy"] == WEIGHTED
    ordered = drawn_by_weight(members, call.services.ids.fraction) if drawn else list(members)
    return [[member.target] for member in ordered]


def _until(target: DialTarget, total: float) -> DialTarget:
    """Nobody of a group that rings together rings longer than the group."""
    left = total - target.delay_s
    return replace(target, timeout_s=min(target.timeout_s or left, left))


def drawn_by_weight(members: Sequence[Member], fraction: Callable[[], float]) -> list[Member]:
    """By chance (``fraction``: 0 up to 1), each place drawn with the weights of those that are left."""
    left, order = list(members), list[Member]()
    while left:
        point = fraction() * sum(member.weight for member in left)
        index = 0
        while index < len(left) - 1 and point >= left[index].weight:
            point -= left[index].weight
            index += 1
        order.append(left.pop(index))
    return order
