"""Layer 4, module ``privacy``: call a number without showing who calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Branch, Continue, Outcome, Stop
from callflow.modules._feature import dial

HIDDEN = {"full": (True, True), "yes": (True, True), "name": (False, True), "number": (True, False)}
"""``mode`` → the number is hidden, the name is."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Hide the caller from whoever is called from here on, and go to the flow of the captured number. Without
    one: ``_`` (Kazoo 4.3 says a prompt and stops). No flow for it: stop.
    """
    number, name = HIDDEN[str(data["mode"])]
    if data["endpoint_strategy"] == "merge":  # what is hidden already stays so
        number, name = number or call.identity.hides_number, name or call.identity.hides_name
    dialled = call.capture_group
    if not dialled:
        call.identity.hide(number=number, name=name)
        return Continue(did="hid the caller")
    flow = dial(call, dialled)
    if flow is None:
        return Stop(did=f"found no callflow for {dialled}")
    call.identity.hide(number=number, name=name)
    return Branch(flow=flow, did=f"hid the caller, and calls {dialled}")
