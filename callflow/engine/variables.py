"""Layer 3: what a call knows by name: Kazoo's variables with their scopes, and the placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from callflow.channels.channel import Party
from callflow.clock import GREGORIAN_OFFSET_S
from callflow.documents.accounts import Account

if TYPE_CHECKING:
    from callflow.engine.call import Call
    from callflow.engine.services import Services


class CallVariables:
    """Variables by scope (kazoo.md 3, ``branch_variable``).

    ``custom_channel_vars`` and ``custom_application_vars`` can be set. ``account``, ``device`` and ``user``
    are documents: a name may be a path with dots. ``merged``: the device's value, else the user's, else the
    account's. The user is the caller's, or the owner of its device.
    """

    def __init__(self, account: Account, party: Party) -> None:
        self._device: Mapping[str, Any] = account.get("device", party.device_id) or {}
        self.owner_id = party.user_id or str(self._device.get("owner_id") or "")
        self._user: Mapping[str, Any] = account.get("user", self.owner_id) or {}
        self._account = account.document
        self.custom_channel_vars: dict[str, Any] = _known(account, party, self.owner_id)
        self.custom_application_vars: dict[str, Any] = {}

    def get(self, name: str, scope: str = "custom_channel_vars") -> Any:
        """The value of a variable; None if it has none. An unknown scope has no variables."""
        match scope:
            case "custom_channel_vars":
                return _lookup(self.custom_channel_vars, name)
            case "custom_application_vars":
                return _lookup(self.custom_application_vars, name)
            case "account":
                return _lookup(self._account, name)
            case "device":
                return _lookup(self._device, name)
            case "user":
                return _lookup(self._user, name)
            case "merged":
                found = (_lookup(document, name) for document in (self._device, self._user, self._account))
                return next((value for value in found if value is not None), None)
        return None

    def set(self, name: str, value: Any, scope: str = "custom_channel_vars") -> None:
        """Set a variable in one of the two scopes that belong to the call; None removes it."""
        if scope not in ("custom_channel_vars", "custom_application_vars"):
            raise ValueError(f"variables of scope {scope} cannot be set")
        into = self.custom_channel_vars if scope == "custom_channel_vars" else self.custom_application_vars
        if value is None:
            into.pop(name, None)
        else:
            into[name] = value


def placeholders_of(call: Call) -> Mapping[str, str]:
    """``{NAME}`` and what it stands for (DESIGN 5): ``--var`` over call over the flow's own variables over
    the account. Empty values are left out: a placeholder with nothing to say is unresolved.
    """
    party, account = call.party, call.account
    known = {
        "ACCOUNT_ID": account.id,
        "ACCOUNT_NAME": account.document.get("name"),
        "ACCOUNT_REALM": account.document.get("realm"),
        **{name: value for name, value in call.variables.custom_application_vars.items() if _plain(value)},
        "CALL_ID": call.id,
        "FROM": party.from_number,
        "TO": party.to_number,
        "CALLER_ID_NUMBER": call.identity.number,
        "CALLER_ID_NAME": call.identity.name,
        "FROM_REALM": party.from_realm,
        "TO_REALM": party.to_realm,
        "USER_ID": call.variables.owner_id,
        "OWNER_ID": call.variables.owner_id,
        "DEVICE_ID": party.device_id,
        "FLOW_ID": call.flow_id,
        "CAPTURE_GROUP": call.capture_group,
        **call.capture_groups,
        **call.services.variables,
    }
    return {name: _text(value) for name, value in known.items() if _plain(value) and value != ""}


def interaction_id(services: Services) -> str:
    """What Kazoo ties the legs of one conversation together with: the second since year 0, and 8 digits."""
    return f"{int(services.clock.wall()) + GREGORIAN_OFFSET_S}-{services.ids.short()[:8]}"


def _known(account: Account, party: Party, owner_id: str) -> dict[str, Any]:
    """The channel variables that Kazoo sets on an incoming call."""
    known = {
        "Account-ID": account.id,
        "Account-Realm": account.document.get("realm"),
        "Authorizing-ID": party.device_id,
        "Authorizing-Type": "device" if party.device_id else "",
        "Owner-ID": owner_id,
        "Caller-ID-Number": party.from_number,
        "Caller-ID-Name": party.from_name,
    }
    return {name: value for name, value in known.items() if value}


def _lookup(document: Mapping[str, Any], name: str) -> Any:
    """``document[name]``, else along the dots of ``name``."""
    if name in document:
        return document[name]
    value: Any = document
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
