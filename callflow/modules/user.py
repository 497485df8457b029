"""Layer 4, module ``user``: ring all devices of a user, and connect the one that answers first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.errors import MissingDocument
from callflow.modules._bridging import ring


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ring, and do with the result as kazoo.md 2.4 says; ``strategy`` single: one device after the other."""
    user_id = str(data.get("id") or "")
    try:
        targets = call.endpoints_of_user(user_id)
    except MissingDocument as error:
        call.notice("error", error.code, f"user: {error}", error.hint)
        return Continue(did="found no such user")
    return await ring(targets, data, call, one_by_one=data["strategy"] == "single")
