"""Layer 4, action ``wait``: lets time go by (ncco.md 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.ncco.moves import Move, Next
from callflow.ncco.session import Session


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Wait ``timeout`` seconds; the call is not answered for that."""
    seconds = float(data["timeout"])
    await call.sleep(seconds)
    return Next(did=f"waited {seconds:g} s")
