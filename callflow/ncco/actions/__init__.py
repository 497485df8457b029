"""Layer 4: one file per NCCO action, each with ``async def run(data, call, session) -> Move``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from callflow.ncco.runner import ActionFunction

ACTIONS: tuple[str, ...] = (
    "connect",
    "conversation",
    "input",
    "notify",
    "record",
    "stream",
    "talk",
    "transfer",
    "wait",
)
"""The actions that have code. Written out, so that a file does not become one by lying here."""


def registry() -> Mapping[str, ActionFunction]:
    """Every action's ``run`` by its name in a script. Imports them: call it where calls are run."""
    return {
        name: cast("ActionFunction", import_module(f"callflow.ncco.actions.{name}").run) for name in ACTIONS
    }
