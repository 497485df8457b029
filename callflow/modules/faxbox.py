"""Layer 4, module ``faxbox``: receive a fax into a fax box: not done here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._fax import no_fax


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Say so, and go on to ``_``."""
    return await no_fax(call)
