"""Layer 4, module ``hangup``: end the call at once, whatever flow is stacked (kazoo.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import HardStop, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The walker hangs up: that is what a hard stop means."""
    return HardStop(did="hung up")
