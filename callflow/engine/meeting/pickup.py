"""Layer 3: whose calls somebody wants to take: the devices meant, their legs on other calls."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from callflow.engine.dialling.endpoints import device_target, member_targets, user_targets
from callflow.engine.meeting.joining import Doing, Seen
from callflow.errors import MissingDocument

if TYPE_CHECKING:
    from callflow.engine.call import Call

KINDS = ("device", "user", "group")
"""The narrowest that is named counts (cf_group_pickup)."""


def devices_meant(call: Call, named: Mapping[str, Any], prefix: str = "") -> frozenset[str] | None:
    """The devices behind the first of ``device_id``, ``user_id``, ``group_id`` in ``named`` (``prefix``:
    ``approved_``); None: none of them is given. Raises ``MissingDocument``.
    """
    for kind in KINDS:
        id = str(named.get(f"{prefix}{kind}_id") or "")
        if not id:
            continue
        if kind == "device":
            return frozenset({device_target(call.services, id).id})
        if kind == "user":
            return frozenset(target.id for target in user_targets(call.services, id))
        return group_devices(call, id)
    return None


def group_devices(call: Call, group_id: str) -> frozenset[str]:
    """The devices of a group. Raises ``MissingDocument``."""
    found = member_targets(call.services, [{"id": group_id, "endpoint_type": "group"}])
    missing = next((error for error in found.missing if not found.members), None)
    if missing is not None:
        raise missing
    return frozenset(member.target.id for member in found.members)


def is_approved(call: Call, data: Mapping[str, Any]) -> bool:
    """Whether the caller's device is among those that ``approved_*`` name; without any, everybody but callers
    from a carrier is: whoever finds a number of the account must not take its calls.
    """
    try:
        approved = devices_meant(call, data, "approved_")
    except MissingDocument as error:
        call.notice("error", error.code, f"{call.node.module}: {error}", error.hint)
        return False
    if approved is None:
        return not call.party.trunk
    return bool(call.party.device_id and call.party.device_id in approved)


def device_of_username(call: Call, username: str) -> str:
    """The device whose ``sip.username`` it is; a device's id is taken, too. Empty: there is none."""
    devices = call.account.all("device")
    for id, document in devices.items():
        sip = document.get("sip")
        if isinstance(sip, Mapping) and sip.get("username") == username:
            return id
    return username if username in devices else ""


def ringing_at(call: Call, devices: Set[str]) -> list[Seen]:
    """The legs that ring at one of ``devices`` now, those of the oldest call first."""
    return [seen for seen in _at(call, devices) if seen.doing is Doing.RINGING]


def talking_at(call: Call, devices: Set[str]) -> list[Seen]:
    """The legs of ``devices`` that are in a talk now."""
    return [seen for seen in _at(call, devices) if seen.doing is Doing.TALKING]


def _at(call: Call, devices: Set[str]) -> list[Seen]:
    return [seen for seen in call.joins.seen() if seen.party.device_id in devices]
