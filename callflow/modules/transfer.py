"""Layer 4, module ``transfer``: send the caller to another number; what would have come next is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import HandOver, Outcome, Stop

NO_MATCH = "no_match"
"""What ``captures`` holds when nothing was captured."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Transfer to ``target``, or to the first of ``captures``; children never run."""
    captures = [one for one in data.get("captures") or [] if isinstance(one, str) and one != NO_MATCH]
    target = str(data.get("target") or "") or (captures[0] if captures else call.capture_group)
    if not target:
        call.notice("error", "CF-RUN-TRANSFER-TARGET", "transfer: there is no target", "Write data.target.")
        return Stop(did="had no target")
    await call.transfer(target)
    return HandOver(did=f"transferred the caller to {target}")
