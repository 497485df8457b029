"""Layer 4, module ``set_cid``: the name and number that called parties see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Show ``caller_id_name`` and ``caller_id_number``; an empty one is shown as without this module."""
    number, name = str(data["caller_id_number"]), str(data["caller_id_name"])
    call.identity.set(number, name)
    shown = call.identity.shown()
    return Continue(did=f"shows {shown.from_name} <{shown.from_number}>")
