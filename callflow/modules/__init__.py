"""Layer 4: one file per callflow module. Files whose names begin with ``_`` hold what several share."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from callflow.engine.walker import Module

MODULES: tuple[str, ...] = (
    "answer",
    "branch_variable",
    "callflow",
    "collect_dtmf",
    "conference",
    "conference_feature",
    "dead_air",
    "device",
    "group",
    "hangup",
    "menu",
    "noop",
    "offnet",
    "play",
    "record_call",
    "record_caller",
    "resources",
    "response",
    "ring_group",
    "set_variable",
    "set_variables",
    "sleep",
    "tones",
    "transfer",
    "user",
    "voicemail",
    "wait_for_hangup",
    "webhook",
)
"""The modules that have code. Written out, so that a file does not become a module by lying here."""


def registry() -> Mapping[str, Module]:
    """Every module's ``handle`` by its name in a flow. Imports them: call it where calls are run."""
    return {name: cast("Module", import_module(f"callflow.modules.{name}").handle) for name in MODULES}
