"""Layer 4: one file per callflow module. Files whose names begin with ``_`` hold what several share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from callflow.engine.metaflows import Action
    from callflow.engine.walker import Module

MODULES: tuple[str, ...] = (
    "acdc_agent",
    "acdc_member",
    "acdc_queue",
    "acdc_wait_time",
    "after_bridge",
    "answer",
    "audio_macro",
    "branch_bnumber",
    "branch_variable",
    "call_forward",
    "call_pickup",
    "call_waiting",
    "callflow",
    "check_cid",
    "cidlistmatch",
    "collect_dtmf",
    "conference",
    "conference_feature",
    "dead_air",
    "device",
    "directory",
    "disa",
    "do_not_disturb",
    "dynamic_cid",
    "eavesdrop",
    "eavesdrop_feature",
    "edr",
    "faxbox",
    "flush_dtmf",
    "group",
    "group_pickup",
    "group_pickup_feature",
    "hangup",
    "hotdesk",
    "intercept",
    "intercept_feature",
    "intercom",
    "language",
    "lookupcidname",
    "manual_presence",
    "menu",
    "missed_call_alert",
    "move",
    "nomorobo",
    "noop",
    "notification",
    "offnet",
    "page_group",
    "park",
    "pivot",
    "play",
    "prepend_cid",
    "privacy",
    "receive_fax",
    "record_call",
    "record_caller",
    "resources",
    "response",
    "ring_group",
    "ring_group_toggle",
    "route_to_cid",
    "send_dtmf",
    "set",
    "set_alert_info",
    "set_cid",
    "set_variable",
    "set_variables",
    "skel",
    "sleep",
    "temporal_route",
    "tones",
    "transfer",
    "tts",
    "user",
    "voicemail",
    "wait_for_hangup",
    "webhook",
)
"""The modules that have code. Written out, so that a file does not become a module by lying here."""


@cache
def registry() -> Mapping[str, Module]:
    """Every module's ``handle`` by its name in a flow. Imports them: call it where calls are run."""
    return {name: cast("Module", import_module(f"callflow.modules.{name}").handle) for name in MODULES}


def metaflow_actions() -> Mapping[str, Action]:
    """What metaflows can do, by name."""
    actions: Mapping[str, Action] = import_module("callflow.modules._metaflow").ACTIONS
    return actions
