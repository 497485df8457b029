"""Layer 4, module ``answer``: answer the call, the 200 OK of SIP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Answer; a call that is answered already stays as it is."""
    if call.answered:
        return Continue(did="was answered already")
    await call.answer()
    return Continue(did="answered")
