"""Layer 4, module ``set_variable``: set one of the variables that Kazoo knows by name (kazoo.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome

KNOWN_VARIABLES: Mapping[str, str] = {"call_priority": "Call-Priority"}
"""A flow's name of a channel variable, and the channel's own: the only pair that Kazoo has."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Set ``variable`` to ``value`` on this channel. A call's variables are shared by both legs here."""
    variable, value = data.get("variable"), data.get("value")
    name = KNOWN_VARIABLES.get(str(variable))
    if name is None or value is None:
        call.notice(
            "warning",
            "CF-RUN-VARIABLE",
            f"set_variable: {variable!r} was not set",
            f"The variables there are: {', '.join(KNOWN_VARIABLES)}; set_variables takes any name.",
        )
        return Continue(did="set nothing")
    call.variables.set(name, value, "custom_channel_vars")
    return Continue(did=f"set {variable} to {value}")
