"""Layer 3: what the phone that calls may not call (kazoo.md 2.6): asked before the first node of its flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from callflow.documents.restrictions import UNKNOWN, classify, is_restricted

if TYPE_CHECKING:
    from callflow.engine.call import Call

CAUSE = "CALL_REJECTED"
PROMPT = "cf-unauthorized_call"


def restricting(call: Call) -> Iterator[Mapping[str, Any]]:
    """The documents whose ``call_restriction`` holds for the caller: device, user, account."""
    for kind, id in (("device", call.party.device_id), ("user", call.variables.owner_id)):
        document = call.account.get(kind, id) if id else None
        if document is not None:
            yield document
    yield call.account.document


def _denied(call: Call, number: str) -> bool:
    """Extensions and codes of the account are of no class (``unknown``): denied, that means other numbers."""
    if not number or (classify(number) == UNKNOWN and not call.no_match):
        return False
    return is_restricted(number, restricting(call))


async def refuse_restricted(call: Call) -> bool:
    """Hang up on a phone of the account that has dialled, or whose pattern has captured, a number of a class
    that is denied to it; True: it was. Raises CallGone.
    """
    if not call.party.device_id or not any(
        _denied(call, number) for number in (call.party.to_number, call.capture_group)
    ):
        return False
    call.notice(
        "warning",
        "CF-RUN-RESTRICTED",
        f"{call.party.to_number[:80]!r} may not be called from device {call.party.device_id}: hung up",
        "call_restriction of the device, its user or the account denies this class of numbers.",
    )
    await call.progress()
    await call.prompt(PROMPT)
    await call.hangup(CAUSE)
    return True
