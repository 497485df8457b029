"""Layer 4, module ``conference_feature``: a conference by a feature code; the capture group says which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._conference import confer


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """As ``conference``, with the id or number that the caller has dialled after the code."""
    return await confer(call.capture_group, data, call)
