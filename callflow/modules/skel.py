"""Layer 4, module ``skel``: an example for authors of modules. It does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Go on to ``_``."""
    return Continue()
