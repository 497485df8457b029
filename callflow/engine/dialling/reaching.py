"""Layer 3: whom ringing really reaches: phones that are off or busy calling are left out, forwarding is
followed (kazoo.md 3, ``call_forward``; Kazoo's ``kz_endpoint``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from callflow.channels.channel import DialTarget, Party
from callflow.documents.caller_id import caller_id
from callflow.documents.forwarding import FORWARD, Forwarding, forwarding_of, is_off, read_forwarding
from callflow.documents.moduledata import prepare
from callflow.documents.placeholders import fill
from callflow.engine.dialling.endpoints import (
    device_target,
    group_members,
    member_targets,
    number_targets,
    user_targets,
)
from callflow.engine.flow import DEFAULT_KEY, Flow, Node
from callflow.engine.routing import find_flow
from callflow.errors import CallflowError

if TYPE_CHECKING:
    from callflow.engine.call import Call

MOST_FORWARDS = 10
"""So often in a row one number may forward to the next."""

MOST_NODES = 100
"""So many nodes of a flow are looked through for the one that rings."""

SILENT = frozenset(
    {
        "edr",
        "flush_dtmf",
        "language",
        "lookupcidname",
        "manual_presence",
        "missed_call_alert",
        "noop",
        "notification",
        "prepend_cid",
        "record_call",
        "set",
        "set_alert_info",
        "set_cid",
        "set_variable",
        "set_variables",
        "webhook",
    }
)
"""Modules before the ringing that the caller does not notice: a forwarded call passes them over."""


@dataclass(frozen=True, slots=True)
class Reach:
    """``targets``: what is rung. ``flow``: instead of that, the caller goes on in this flow, because the only
    phone forwards to a number that answers by itself (a menu, a mailbox).
    """

    targets: tuple[DialTarget, ...]
    flow: Flow | None = None


def reach(
    call: Call,
    targets: Sequence[DialTarget],
    *,
    can_call_self: bool = False,
    direct: bool = True,
    follow: bool = True,
) -> Reach:
    """What rings when ``targets`` are called. ``can_call_self``: the caller's own phones, too. ``direct``
    False: a group calls. ``follow`` False: forwarding is not followed.
    """
    work = _Work(call, can_call_self, direct, follow)
    ways = [way for target in targets for way in work.ways(target, ())]
    if ways or not work.flow_number:
        if work.flow_number:
            work.tell(work.flow_number, "it answers by itself, and cannot ring beside others")
        return Reach(tuple(ways))
    return Reach((), call.route(work.flow_number, allow_no_match=True))


def is_own(call: Call, target: DialTarget) -> bool:
    """The phone that the caller calls from, or another one of the same user (Kazoo's ``kz_endpoint``)."""
    if target.endpoint != "device":
        return False
    owner = target.document.get("owner_id")
    return target.id == call.party.device_id or bool(owner and owner == call.variables.owner_id)


class _Work:
    """One look-up. ``flow_number``: a number that somebody forwards to and that answers by itself."""

    def __init__(self, call: Call, can_call_self: bool, direct: bool, follow: bool) -> None:
        self.call = call
        self.can_call_self = can_call_self
        self.direct = direct
        self.follow = follow
        self.flow_number = ""
        self._done: set[str] = set()
        self._told: set[str] = set()

    def ways(self, target: DialTarget, path: tuple[str, ...]) -> list[DialTarget]:
        """What rings for ``target``; ``path``: the numbers that forwarding has led through so far."""
        if target.endpoint in ("number", "websocket"):
            return [target]
        if not self.can_call_self and is_own(self.call, target):
            return []
        account = self.call.account
        if target.endpoint == "user":
            said = read_forwarding(target.document.get(FORWARD) or {}) if self.follow else None
            return self._forwarded(target, said, path) if said else [target]
        if is_off(account, target.document):
            return []
        forwarding = forwarding_of(account, target.document) if self.follow else None
        if forwarding is None or (forwarding.direct_calls_only and not self.direct):
            return [target]
        forwarded = self._forwarded(target, forwarding, path)
        if not forwarding.enabled:
            return [replace(target, instead=tuple(forwarded))]
        return forwarded if forwarding.substitute else [*forwarded, target]

    def _forwarded(
        self, target: DialTarget, forwarding: Forwarding, path: tuple[str, ...]
    ) -> list[DialTarget]:
        """The ways to the number; each number once, however many phones forward to it."""
        number = forwarding.number
        if number in path or len(path) >= MOST_FORWARDS:
            self.tell(number, "the forwarding goes round in a circle")
            return []
        if number in self._done:
            return []
        self._done.add(number)
        found = self._resolve(number, (*path, number))
        if found is None:
            if not path and forwarding.enabled:
                self.flow_number = number
            else:
                self.tell(number, "it answers by itself, and cannot be rung")
            return []
        if not found:
            self.tell(number, "no callflow with a phone and no carrier takes it")
        return [self._marked(way, target, forwarding) for way in found]

    def tell(self, number: str, why: str) -> None:
        """Why a number is not rung; once each."""
        if number in self._told:
            return
        self._told.add(number)
        self.call.notice(
            "warning",
            "CF-RUN-FORWARD",
            f"a phone forwards to {number!r}, but {why}: it is passed over",
            "Forward to an extension that rings phones, or to a number that a carrier takes.",
        )

    def _marked(self, way: DialTarget, phone: DialTarget, forwarding: Forwarding) -> DialTarget:
        caller = way.caller
        if not forwarding.keep_caller_id:
            caller = _who_forwards(self.call, phone) or caller
        return replace(
            way,
            document=phone.document if way.endpoint == "number" else way.document,
            delay_s=phone.delay_s + way.delay_s,
            timeout_s=phone.timeout_s or way.timeout_s,
            caller=caller or phone.caller,
            confirm=way.confirm or forwarding.require_keypress,
            quiet=way.quiet or not forwarding.hears_early,
            instead=tuple(self._marked(other, phone, forwarding) for other in way.instead),
        )

    def _resolve(self, number: str, path: tuple[str, ...]) -> list[DialTarget] | None:
        """The phones or gateways behind a number; None: its callflow answers by itself."""
        services = self.call.services
        match = find_flow(number, services.callflows())
        if match is None:
            return _one_by_one(number_targets(services, number))
        try:
            flow = Flow.parse(match.document, flow_id=match.flow_id)
            targets = self._rung_by(flow.root, number)
        except CallflowError as error:
            self.call.notice("error", error.code, f"a forwarded call: {error}", error.hint)
            return []
        if targets is None:
            return None
        return [way for target in targets for way in self.ways(target, path)]

    def _rung_by(self, node: Node | None, number: str) -> list[DialTarget] | None:
        """What the first ringing node of a flow rings; None: there is none. Raises ``MissingDocument``."""
        services = self.call.services
        for _ in range(MOST_NODES):
            if node is None or node.problem:
                return None
            data = prepare(node.module, fill(node.data, self.call.placeholders()).value).data
            id = str(data.get("id") or "")
            match node.module:
                case "user":
                    return user_targets(services, id)
                case "device":
                    return [device_target(services, id)]
                case "group" | "ring_group":
                    return _members(self.call, node.module, id, data)
                case "resources" | "offnet":
                    return _one_by_one(number_targets(services, str(data.get("to_did") or number)))
                case "callflow":
                    document = services.callflows().get(id)
                    node = None if document is None else Flow.parse(document, flow_id=id).root
                case module if module in SILENT:
                    node = node.child(DEFAULT_KEY)
                case _:
                    return None
        return None


def _members(call: Call, module: str, id: str, data: Mapping[str, Any]) -> list[DialTarget]:
    rows: Iterable[Any] = (
        group_members(call.services, id) if module == "group" else data.get("endpoints") or ()
    )
    members = [row for row in rows if isinstance(row, Mapping)]
    return [member.target for member in member_targets(call.services, members).members]


def _one_by_one(gateways: Sequence[DialTarget]) -> list[DialTarget]:
    """Gateways are tried one after the other, not together."""
    return [replace(gateways[0], instead=tuple(gateways[1:]))] if gateways else []


def _who_forwards(call: Call, phone: DialTarget) -> Party | None:
    """The caller as the forwarded number sees it: who forwards."""
    user = phone.id if phone.endpoint == "user" else str(phone.document.get("owner_id") or "")
    device = phone.id if phone.endpoint == "device" else ""
    for kind in ("external", "internal"):
        number, name = caller_id(call.account, device, user, kind)
        if number:
            return replace(call.party, from_number=number, from_name=name)
    return None
