"""Layer 4, module ``lookupcidname``: the caller's name as lists of the account know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._lists import entry_of


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The ``displayname`` of the first list that has the caller's number becomes the call's name."""
    number = call.identity.number
    for list_id in data["lists"]:
        entry = entry_of(call, str(list_id), number)
        name = str((entry or {}).get("displayname") or "")
        if name:
            call.identity.become(name=name)
            return Continue(did=f"{number} is {name}")
        if entry is not None:
            break  # the number is known, and has no name: Kazoo looks no further
    return Continue(did=f"knows no name for {number}")
