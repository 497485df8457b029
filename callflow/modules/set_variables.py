"""Layer 4, module ``set_variables``: set variables of the flow author's own naming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Set each of ``custom_application_vars``; ``branch_variable`` and placeholders read them."""
    variables: Mapping[str, Any] = data["custom_application_vars"]
    for name, value in variables.items():
        call.variables.set(name, value, "custom_application_vars")
    return Continue(did="set " + (", ".join(variables) or "nothing"))
