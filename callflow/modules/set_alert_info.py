"""Layer 4, module ``set_alert_info``: how phones that are rung from here on shall ring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Give called phones the ``Alert-Info`` header (RFC 3261, 20.4); empty: none."""
    value = " ".join(str(data.get("alert_info") or "").split())
    call.identity.alert_info = value
    return Continue(did=f"set Alert-Info to {value}" if value else "set no Alert-Info")
