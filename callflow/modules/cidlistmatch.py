"""Layer 4, module ``cidlistmatch``: branch by whether the caller's number is in a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Attempt, Continue, Outcome
from callflow.modules._lists import entry_of


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """``match`` or ``nomatch``; without that child ``_``."""
    number, list_id = call.identity.number, str(data.get("id") or "")
    found = entry_of(call, list_id, number) is not None
    return Attempt(
        keys=("match" if found else "nomatch",),
        otherwise=Continue(),
        did=f"{number} is {'' if found else 'not '}in {list_id}",
    )
