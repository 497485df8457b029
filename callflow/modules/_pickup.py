"""Layer 4: what ``group_pickup``, ``intercept`` and their features share. Not a module of its own.

A ringing phone's call is answered in its place; of a talk, the place of the device that is meant is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.meeting.pickup import (
    device_of_username,
    devices_meant,
    is_approved,
    ringing_at,
    talking_at,
)
from callflow.engine.outcome import Outcome, Stop
from callflow.engine.routing import find_flow
from callflow.errors import CallflowError, MissingDocument

NOBODY = "pickup-no_users"
NOTHING = "pickup-no_channels"
REFUSED = "intercept-no_channels"
NO_TARGET = "park-no_caller"


async def take_call(data: Mapping[str, Any], call: Call, *, answered: bool) -> Outcome:
    """Take a ringing call of the devices that ``data`` names; ``answered``: or, if none rings, an answered
    one. Children never run.
    """
    if not is_approved(call, data):
        return await refuse(call, REFUSED, "the caller may not do this")
    devices = devices_named(data, call)
    if not devices:
        return await refuse(call, NOBODY, "there are no such devices")
    for seen in ringing_at(call, devices):
        await call.joins.pick_up(seen.call)
    if answered:
        for seen in talking_at(call, devices):
            await call.joins.take_place(seen.call, seen.leg)
    return await refuse(call, NOTHING, "found no call to take")


def devices_named(data: Mapping[str, Any], call: Call) -> frozenset[str]:
    """The devices that ``data`` names; none, after an error notice, if what it names is not there."""
    try:
        return devices_meant(call, data) or frozenset()
    except MissingDocument as error:
        call.notice("error", error.code, f"{call.node.module}: {error}", error.hint)
        return frozenset()


async def refuse(call: Call, prompt: str, did: str) -> Outcome:
    """Say why, and end the call."""
    await call.answer()
    await call.prompt(prompt)
    return Stop(did=did)


def meant_by_digits(kind: str, call: Call) -> dict[str, str] | None:
    """What the captured digits name, as data of a pickup: a device by its SIP user name, a user or group by
    its id, an extension by what its callflow rings first. None: nothing.
    """
    digits = call.capture_group
    if not digits:
        return None
    if kind == "device":
        device = device_of_username(call, digits)
        return {"device_id": device} if device else None
    if kind in ("user", "group"):
        return {f"{kind}_id": digits} if call.account.get(kind, digits) is not None else None
    return _meant_by_extension(digits, call)


def _meant_by_extension(number: str, call: Call) -> dict[str, str] | None:
    """The first node of the number's callflow that rings somebody, along its ``_`` children."""
    match = find_flow(number, call.services.callflows(), allow_no_match=False)
    try:
        node = Flow.parse(match.document).root if match is not None else None
    except CallflowError as error:
        call.notice("error", error.code, f"{call.node.module}: {error}", error.hint)
        return None
    while node is not None and not node.empty:
        named = _rung_by(node.module, node.data)
        if named is not None:
            return named
        node = node.child("_")
    return None


def _rung_by(module: str, data: Mapping[str, Any]) -> dict[str, str] | None:
    id = data.get("id")
    if module in ("user", "device", "group") and isinstance(id, str) and id:
        return {f"{module}_id": id}
    endpoints = data.get("endpoints")
    if module in ("ring_group", "page_group") and isinstance(endpoints, list):
        for one in endpoints:
            if isinstance(one, Mapping) and isinstance(one.get("id"), str):
                return {f"{one.get('endpoint_type') or 'device'}_id": str(one["id"])}
    return None
