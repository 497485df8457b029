"""Layer 4, module ``flush_dtmf``: forget the digits that were collected under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Forget ``call.collections[collection_name]``, and digits that nobody has asked for yet."""
    name = str(data["collection_name"])
    known = call.collections.pop(name, None)
    call.flush_digits()
    return Continue(did=f"forgot the digits of {name}" if known is not None else f"knew no digits of {name}")
