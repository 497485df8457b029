"""Layer 4, module ``eavesdrop``: listen to a call of a device or user (kazoo.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._eavesdrop import listen_in


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Only for those that ``approved_*`` names; children never run."""
    return await listen_in(data, call)
