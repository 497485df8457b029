"""Layer 4, module ``noop``: a node that only leads to its child."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Go on."""
    return Continue(did="did nothing")
