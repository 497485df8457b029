"""Layer 4, module ``prepend_cid``: prefixes before the name and number that called parties see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Put prefixes before what is shown, before earlier ones or (``original``) in their place; ``reset``
    takes all of them back.
    """
    if data["action"] == "reset":
        call.identity.without_prefixes()
        return Continue(did="took the prefixes back")
    call.identity.prepend(
        str(data["caller_id_number_prefix"]),
        str(data["caller_id_name_prefix"]),
        to_original=data["apply_to"] == "original",
    )
    shown = call.identity.shown()
    return Continue(did=f"shows {shown.from_name} <{shown.from_number}>")
