"""Layer 1: recordings that nobody writes into a flow: ``call_recording`` of account, user and device.

Pure (kazoo.md 1.14): documents, who calls and where it goes come in; which recordings start, with which
values and by which key of which document, comes out. The engine and ``callflow explain`` ask the same
functions. Within a document the values of ``inbound.onnet`` lie over those of ``any.onnet``, these over
``inbound.any``, these over ``any.any``; a device's lie over its owner's, these over ``account.endpoint``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from callflow.documents import schemas

ANY = "any"
MODULE_OF_OFFNET = frozenset({"resources", "offnet"})
_KEYS = (
    "enabled",
    "format",
    "record_min_sec",
    "record_on_answer",
    "record_on_bridge",
    "record_sample_rate",
    "time_limit",
    "url",
    "should_announce_when_recording",
    "should_record_feature_calls",
)
"""What a setting may say. ``method`` is always put and a transfer is never followed (kazoo.md 1.14)."""


class Way(StrEnum):
    """A direction, as the account or the endpoint sees it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Network(StrEnum):
    """``onnet``: phones of the account; ``offnet``: whatever comes by a carrier or goes to one."""

    ONNET = "onnet"
    OFFNET = "offnet"


class Documents(Protocol):
    """What of an account is read (``callflow.documents.accounts.Account``)."""

    @property
    def document(self) -> Mapping[str, Any]: ...

    def get(self, kind: str, id: str) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Said:
    """One value and the place that says it: ``document`` (``device alice-desk``), ``pointer`` in it."""

    value: Any
    document: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Rule:
    """The setting that holds for one side of a call.

    ``origin``: Kazoo's words for it, which become the recording's. ``said``: each key that a document gives.
    ``user_id``, ``device_id``: whose it is (both empty: the account's own).
    """

    origin: str
    way: Way
    network: Network
    said: Mapping[str, Said]
    user_id: str = ""
    device_id: str = ""

    @property
    def enabled(self) -> bool:
        """Whether it starts a recording."""
        return "enabled" in self.said and is_true(self.said["enabled"].value)

    @property
    def decided_by(self) -> str:
        """The place that turns it on or off; empty: no document says anything."""
        place = self.said.get("enabled")
        return f"{place.document} {place.pointer}" if place else ""

    @property
    def feature_calls(self) -> bool:
        """Whether calls to feature codes are recorded too (``should_record_feature_calls``, default true)."""
        place = self.said.get("should_record_feature_calls")
        return place is None or is_true(place.value)

    def data(self) -> dict[str, Any]:
        """It as the ``data`` of a ``record_call`` node."""
        known = schemas.module_schema("record_call")["properties"]
        given = {key: place.value for key, place in self.said.items() if key in known}
        return {**given, "action": "start", "method": "put", "should_follow_transfer": False}


# ---- who is asked ------------------------------------------------------------------------------


def account_rules(account: Documents, source: Network, destination: Network) -> tuple[Rule, ...]:
    """The account's own settings for a call, in the order in which they are tried: the first that is enabled
    starts the one recording that they can start. ``inbound``: the call comes into the account's flows, which
    a phone's call does too.
    """
    setting = _object(account.document.get("call_recording"))
    tree = _object(setting.get("account"))
    where = "/call_recording/account"
    inbound = _expand(tree, Way.INBOUND, source, "account", where)
    outbound = _expand(tree, Way.OUTBOUND, destination, "account", where)
    return (
        Rule(f"inbound from {source} to account", Way.INBOUND, source, inbound),
        Rule(f"outbound to {destination} from account", Way.OUTBOUND, destination, outbound),
    )


def caller_rule(account: Documents, *, user_id: str, device_id: str, destination: Network) -> Rule:
    """The setting of the one who calls (``outbound``): with its start, on the A-leg."""
    said, user_id = _of_endpoint(account, user_id, device_id, Way.OUTBOUND, destination)
    return Rule(
        f"outbound to {destination} from endpoint", Way.OUTBOUND, destination, said, user_id, device_id
    )


def destination_rule(account: Documents, *, user_id: str, device_id: str, source: Network) -> Rule:
    """The setting of the one who is called (``inbound``): on its answer, on the B-leg."""
    said, user_id = _of_endpoint(account, user_id, device_id, Way.INBOUND, source)
    return Rule(f"inbound from {source} to endpoint", Way.INBOUND, source, said, user_id, device_id)


def started(rules: tuple[Rule, ...]) -> Rule | None:
    """Of ``account_rules`` the one that starts a recording."""
    return next((rule for rule in rules if rule.enabled), None)


# ---- networks ----------------------------------------------------------------------------------


def source_network(*, user_id: str, device_id: str) -> Network:
    """Where a call comes from: a phone of the account, or anybody else (a carrier, a stranger)."""
    return Network.ONNET if user_id or device_id else Network.OFFNET


def destination_network(flow: object, *, no_match: bool) -> Network:
    """Where a flow leads, as far as is known before it is walked: offnet if it was found by ``no_match``, or
    if the first node on its ``_`` way that does more than go on is ``resources`` or ``offnet``.
    """
    if no_match:
        return Network.OFFNET
    return Network.OFFNET if _first_that_rings(flow) in MODULE_OF_OFFNET else Network.ONNET


def _first_that_rings(flow: object) -> str:
    node = flow
    for _ in range(_FAR):
        if not isinstance(node, Mapping) or not isinstance(node.get("module"), str):
            return ""
        module = str(node["module"])
        if not _goes_on(module):
            return module
        children = node.get("children")
        node = children.get("_") if isinstance(children, Mapping) else None
    return ""


_FAR = 1000  # nodes below one another: more is no flow (DESIGN 5)


def _goes_on(module: str) -> bool:
    """Whether a module only ever goes on to ``_``."""
    return module in schemas.module_names() and schemas.module_schema(module)["x-children"] == "always"


# ---- merging -----------------------------------------------------------------------------------


def _of_endpoint(
    account: Documents, user_id: str, device_id: str, way: Way, network: Network
) -> tuple[dict[str, Said], str]:
    """``account.endpoint`` < user < device, key by key; and the user, who may be the device's owner."""
    device = account.get("device", device_id) if device_id else None
    user_id = user_id or str((device or {}).get("owner_id") or "")
    user = account.get("user", user_id) if user_id else None
    setting = _object(account.document.get("call_recording"))
    said = _expand(_object(setting.get("endpoint")), way, network, "account", "/call_recording/endpoint")
    for document, name in ((user, f"user {user_id}"), (device, f"device {device_id}")):
        if document is not None:
            said |= _of_document(document, way, network, name)
    return said, user_id


def _of_document(document: Mapping[str, Any], way: Way, network: Network, name: str) -> dict[str, Said]:
    """A user's or device's setting; ``record_call``, the older key, lies under it."""
    said = {
        key: Said(value, name, "/record_call") for key, value in _legacy(document.get("record_call")).items()
    }
    return said | _expand(_object(document.get("call_recording")), way, network, name, "/call_recording")


def _legacy(value: object) -> dict[str, Any]:
    """``record_call: true``, or an object of values: on for all directions and networks."""
    if isinstance(value, Mapping):
        return {"enabled": True, **{key: value[key] for key in _KEYS if key in value}}
    return {} if value is None else {"enabled": is_true(value)}


def _expand(
    tree: Mapping[str, Any], way: Way, network: Network, document: str, pointer: str
) -> dict[str, Said]:
    said: dict[str, Said] = {}
    for direction, net in _layers(way, network):
        values = _object(_object(tree.get(direction)).get(net))
        place = f"{pointer}/{direction}/{net}"
        said |= {key: Said(values[key], document, f"{place}/{key}") for key in _KEYS if key in values}
    return said


def _layers(way: Way, network: Network) -> Iterator[tuple[str, str]]:
    """From weak to strong."""
    for net in (ANY, network):
        for direction in (ANY, way):
            yield str(direction), str(net)


def is_true(value: object) -> bool:
    """Kazoo's reading of a boolean that may be a text."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
