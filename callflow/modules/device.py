"""Layer 4, module ``device``: ring one device and connect it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.errors import MissingDocument
from callflow.modules._bridging import ring


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ring, and do with the result what kazoo.md 2.4 says."""
    try:
        target = call.endpoint_of_device(str(data.get("id") or ""))
    except MissingDocument as error:
        call.notice("error", error.code, f"device: {error}", error.hint)
        return Continue(did="found no such device")
    return await ring([target], data, call)
