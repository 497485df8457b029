"""Layer 4, module ``collect_dtmf``: collect what the caller keys in, for later nodes to use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome

INTERDIGIT_MS = 2000
"""Time from one digit to the next where nothing says another (kazoo.md 3, ``voicemail``)."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Collect up to ``max_digits`` into ``call.collections[collection_name]``, then go on to ``_``.

    ``timeout`` runs until the first digit, ``interdigit_timeout`` between digits; both in milliseconds.
    """
    await call.answer()
    digits = await call.collect_digits(
        max_digits=int(data["max_digits"]),
        timeout_s=data["timeout"] / 1000,
        interdigit_s=(data.get("interdigit_timeout") or INTERDIGIT_MS) / 1000,
        terminators=terminators(data),
    )
    name = str(data["collection_name"])
    call.collections[name] = digits.digits
    how = "no digits" if not digits.digits else f"{len(digits.digits)} digits"
    return Continue(did=f"collected {how} as {name}")


def terminators(data: Mapping[str, Any]) -> str:
    """The digits that end a collection: ``terminators`` (a list), else ``terminator``, else ``#``."""
    several = data.get("terminators")
    if several is not None:
        return "".join(str(digit) for digit in several)
    return str(data.get("terminator", "#"))
