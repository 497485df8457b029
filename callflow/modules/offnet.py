"""Layer 4, module ``offnet``: call a number outside by the account's carriers, as ``resources``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.modules._carriers import dial_out


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Try the gateways one after the other, and do with the result what kazoo.md 2.4 says."""
    return await dial_out(data, call)
