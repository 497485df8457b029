"""Layer 4: digits that are sent to a leg: ``dtmfAnswer``, and REST's ``dtmf`` (ncco.md 2.2, 4.2)."""

from __future__ import annotations

from callflow.engine.call import Call
from callflow.media.messages import SendDigits

TONE_S, GAP_S, PAUSE_S = 0.1, 0.1, 0.5


async def press(call: Call, leg: str, digits: str) -> None:
    """Send ``digits`` (``0-9*#``) to the leg's party, and wait until they are through; ``p`` is a pause of
    half a second.
    """
    for part in digits.replace("p", " p ").split():
        if part == "p":
            await call.services.clock.sleep(PAUSE_S)
            continue
        call.services.media.send(SendDigits(leg, part, TONE_S, GAP_S))
        await call.services.clock.sleep(len(part) * (TONE_S + GAP_S))
