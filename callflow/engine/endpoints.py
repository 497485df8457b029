"""Layer 3: from users and devices of the account to targets that can be rung."""

from __future__ import annotations

from callflow.channels.channel import DialTarget
from callflow.engine.services import Services
from callflow.errors import MissingDocument

FOLDER_HINT = "Put its JSON document into the account's {folder} folder, and run with --account."


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
    """A target for each enabled device whose ``owner_id`` is the user, by device id; none: no endpoints.

    An account without documents (a single flow file) knows no users: then the user itself is the target.
    Raises ``MissingDocument`` for a user that the account does not have.
    """
    account = services.account
    if _without_endpoints(services):
        return [DialTarget("user", user_id)]
    if account.get("user", user_id) is None:
        raise MissingDocument(
            f"no user {user_id!r} in account {account.id!r}", hint=FOLDER_HINT.format(folder="users")
        )
    return [
        DialTarget("device", device_id, document)
        for device_id, document in sorted(account.all("device").items())
        if document.get("owner_id") == user_id and document.get("enabled", True) is not False
    ]


def _without_endpoints(services: Services) -> bool:
    return not services.account.all("user") and not services.account.all("device")
