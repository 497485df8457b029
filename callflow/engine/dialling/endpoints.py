"""Layer 3: from users, devices, groups and carriers of the account to targets that can be rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.documents.accounts import sitting_at
from callflow.documents.forwarding import FORWARD, read_forwarding
from callflow.documents.resources import carriers_for
from callflow.engine.services import Services
from callflow.errors import MissingDocument

MAX_MEMBERS = 200
"""Devices that one ring group rings; further ones are left out."""

LAST = 1_000_000

FOLDER_HINT = "Put its JSON document into the account's {folder} folder, and run with --account."


@dataclass(frozen=True, slots=True)
class Member:
    """A device of a ring group. ``weight``: how likely it comes early in a weighted order, 1 to 100."""

    target: DialTarget
    weight: int


@dataclass(frozen=True, slots=True)
class MemberTargets:
    """The devices of a ring group, and what it names that is not there."""

    members: tuple[Member, ...]
    missing: tuple[MissingDocument, ...]


def device_target(services: Services, device_id: str) -> DialTarget:
    """The device. An account without documents (a single flow file) lets any id pass.

    Raises ``MissingDocument`` for a device that the account does not have.
    """
    document = services.account.get("device", device_id)
    if document is None:
        if _without_endpoints(services):
            return DialTarget("device", device_id)
        raise MissingDocument(
            f"no device {device_id!r} in account {services.account.id!r}",
            hint=FOLDER_HINT.format(folder="devices"),
        )
    return DialTarget("device", device_id, document)


def user_targets(services: Services, user_id: str) -> list[DialTarget]:
    """A target for each enabled device whose ``owner_id`` is the user, or to which the user has logged in, by
    device id; none: no endpoints. A user without devices who forwards is a target of its own.

    An account without documents (a single flow file) knows no users: then the user itself is the target.
    Raises ``MissingDocument`` for a user that the account does not have.
    """
    account = services.account
    if _without_endpoints(services):
        return [DialTarget("user", user_id)]
    user = account.get("user", user_id)
    if user is None:
        raise MissingDocument(
            f"no user {user_id!r} in account {account.id!r}", hint=FOLDER_HINT.format(folder="users")
        )
    found = [
        DialTarget("device", device_id, document)
        for device_id, document in sorted(account.all("device").items())
        if user_id in sitting_at(document) and document.get("enabled", True) is not False
    ]
    forwards = not found and read_forwarding(user.get(FORWARD) or {}) is not None
    return [DialTarget("user", user_id, user)] if forwards else found


def member_targets(services: Services, members: Sequence[Mapping[str, Any]]) -> MemberTargets:
    """The devices behind ``members`` (``{id, endpoint_type: device | user | group, delay, timeout,
    weight}``), in their order, each once however often it is named; groups may name each other in a circle.
    """
    found: dict[tuple[str, str], Member] = {}
    missing: list[MissingDocument] = []
    seen: set[tuple[str, str]] = set()
    todo = list(reversed(members))
    while todo and len(found) < MAX_MEMBERS:
        member = todo.pop()
        kind, id = str(member.get("endpoint_type") or "device"), str(member.get("id") or "")
        if (kind, id) in seen:
            continue
        seen.add((kind, id))
        try:
            if kind == "group":
                todo += reversed(group_members(services, id, member))
                continue
            targets = user_targets(services, id) if kind == "user" else [device_target(services, id)]
        except MissingDocument as error:
            missing.append(error)
            continue
        for target in targets:
            found.setdefault((target.endpoint, target.id), _member(target, member))
    return MemberTargets(tuple(found.values())[:MAX_MEMBERS], tuple(missing))


def group_members(
    services: Services, group_id: str, under: Mapping[str, Any] | None = None
) -> list[Mapping[str, Any]]:
    """The ``endpoints`` of a group document as a ring group's, by weight and id; ``under``: times for those
    that say none. Raises ``MissingDocument`` for a group that the account does not have.
    """
    document = services.account.get("group", group_id)
    if document is None:
        raise MissingDocument(
            f"no group {group_id!r} in account {services.account.id!r}",
            hint=FOLDER_HINT.format(folder="groups"),
        )
    rows = document.get("endpoints")
    kept = {key: under[key] for key in ("delay", "timeout", "weight") if key in under} if under else {}
    members: list[Mapping[str, Any]] = [
        {**kept, **row, "id": id, "endpoint_type": row.get("type") or "device"}
        for id, row in sorted(rows.items() if isinstance(rows, Mapping) else ())
        if isinstance(row, Mapping)
    ]
    return sorted(members, key=lambda member: _number(member.get("weight"), LAST))


def number_targets(services: Services, number: str, flags: Sequence[str] = ()) -> list[DialTarget]:
    """The gateways of the account that take ``number``, cheapest first, those that failed lately last.

    An account without documents (a single flow file) knows no carriers: then the number itself is the target.
    """
    account = services.account
    found = [
        DialTarget("number", carrier.number, contact=carrier.gateway.key)
        for carrier in carriers_for(account, number, flags=flags)
    ]
    if not found and _without_endpoints(services) and not account.all("resource"):
        return [DialTarget("number", number)]
    return sorted(found, key=services.dialer.resting)


def _member(target: DialTarget, said: Mapping[str, Any]) -> Member:
    timed = replace(
        target,
        delay_s=max(0.0, _number(said.get("delay"), 0)),
        timeout_s=max(0.0, _number(said.get("timeout"), 0)),
    )
    return Member(timed, min(100, max(1, int(_number(said.get("weight"), 1)))))


def _number(value: object, instead: float) -> float:
    """A number of a document that may hold anything."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LAST
    return float(value) if sound and isinstance(value, int | float) else instead


def _without_endpoints(services: Services) -> bool:
    return not services.account.all("user") and not services.account.all("device")
