"""Layer 4, module ``language``: the language of prompts, and of speech, from here on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Set the call's language: ``en-us``; ``de_DE`` is read as ``de-de``."""
    said = str(data.get("language") or "").strip().lower().replace("_", "-")
    if not said:
        call.notice(
            "error", "CF-RUN-LANGUAGE", "language: there is no language", 'Write data.language: "en-us".'
        )
        return Continue(did="set no language")
    call.language = said
    return Continue(did=f"speaks {said}")
