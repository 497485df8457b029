"""Layer 4, module ``conference``: bring the caller into a conference of the account (kazoo.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._conference import confer


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Its children never run: the call ends when the caller has left the conference."""
    return await confer(str(data.get("id") or ""), data, call)
