"""Layer 4, module ``branch_variable``: pick the child that is named like a variable's value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Attempt, Continue, Outcome
from callflow.modules.set_variable import KNOWN_VARIABLES


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Go to the child named as the value of ``variable`` in ``scope``; no such child or value: ``_``."""
    variable = str(data.get("variable") or "")
    scope = data["scope"]
    value = call.variables.get(variable, scope)
    if value is None and variable in KNOWN_VARIABLES:
        value = call.variables.get(KNOWN_VARIABLES[variable], scope)
    key = as_key(value)
    if key is None:
        return Continue(did=f"{variable} has no value that could be a child's name")
    return Attempt(keys=(key,), otherwise=Continue(), did=f"{variable} is {key}")


def as_key(value: object) -> str | None:
    """A JSON value as the name of a child: ``true``, ``7``, ``text``; None for what has no such form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    return None
