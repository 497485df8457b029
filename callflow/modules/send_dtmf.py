"""Layer 4, module ``send_dtmf``: send digits to the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.media.messages import SendDigits

DIGITS = frozenset("0123456789*#ABCD")
GAP_S = 0.1


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Answer, send ``digits`` (as events or tones, as the leg agreed on) and wait until that is done."""
    wanted = str(data.get("digits") or "").upper()
    digits = "".join(digit for digit in wanted if digit in DIGITS)
    if digits != wanted or not digits:
        call.notice(
            "warning",
            "CF-RUN-DTMF",
            f"send_dtmf: {wanted!r} is not made of digits; {digits or 'nothing'} is sent",
            "Digits are 0 to 9, *, # and A to D.",
        )
    if not digits:
        return Continue(did="had nothing to send")
    await call.answer()
    await send_digits(digits, data["duration_ms"] / 1000, call)
    return Continue(did=f"sent {len(digits)} {'digit' if len(digits) == 1 else 'digits'}")


async def send_digits(digits: str, tone_s: float, call: Call) -> None:
    """Send them, each ``tone_s`` long, and wait for their end."""
    call.services.media.send(SendDigits(call.leg, digits, tone_s, GAP_S))
    await call.sleep(len(digits) * (tone_s + GAP_S))
