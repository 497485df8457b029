"""Layer 1: what the documents say of a phone's reachability: forwarding, do not disturb, call waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from callflow.documents import schemas
from callflow.documents.accounts import Account

FORWARD = "call_forward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """``call_forward`` of a device, or of its owner (Kazoo's schema ``call_forward``).

    ``enabled``: calls go to ``number`` (``substitute``: instead of ringing the phone, else beside it).
    ``failover``: they do if the phone cannot be reached. ``require_keypress``: who answers must press a key
    to get the call. ``keep_caller_id``: the caller's number is shown, else the one of who forwards.
    ``direct_calls_only``: not when a group rings. ``ignore_early_media``: what is sent before the answer is
    not heard.
    """

    number: str
    enabled: bool
    require_keypress: bool
    keep_caller_id: bool
    substitute: bool
    direct_calls_only: bool
    ignore_early_media: bool
    failover: bool

    @property
    def hears_early(self) -> bool:
        """Early media is let through only where the number is all that rings, and no key is asked for."""
        return self.substitute and not self.require_keypress and not self.ignore_early_media


def forwarding_of(account: Account, device: Mapping[str, Any]) -> Forwarding | None:
    """Where calls to the device go: its own ``call_forward`` if that is enabled, else that with its owner's
    over it (Kazoo's merge); None: nowhere else.
    """
    own = _part(device, FORWARD)
    said = own if own.get("enabled") is True else {**own, **_part(owner_of(account, device), FORWARD)}
    return read_forwarding(said)


def read_forwarding(said: Mapping[str, Any]) -> Forwarding | None:
    """``call_forward`` as a value; None if it sends no call anywhere."""
    number = said.get("number")
    values = {
        key: bool(said[key]) if isinstance(said.get(key), bool) else value for key, value in _defaults()
    }
    if not isinstance(number, str) or not number or not (values["enabled"] or values["failover"]):
        return None
    return Forwarding(number=number, **values)


def owner_of(account: Account, device: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document of the user who has the device; {} if nobody has."""
    return account.get("user", str(device.get("owner_id") or "")) or {}


def is_off(account: Account, device: Mapping[str, Any]) -> str:
    """Why the device is not rung at all, in words: it or its owner is switched off or wants no calls; "": it
    is.
    """
    for document, name in ((device, "the phone"), (owner_of(account, device), "its owner")):
        if document.get("enabled") is False:
            return f"{name} is switched off"
        if _part(document, "do_not_disturb").get("enabled") is True:
            return f"{name} does not want to be disturbed"
    return ""


def call_waiting(account: Account, device: Mapping[str, Any]) -> bool:
    """May a second call ring it while it talks? The device's word, else its owner's, else the account's."""
    for document in (device, owner_of(account, device), account.document):
        said = _part(document, "call_waiting").get("enabled")
        if isinstance(said, bool):
            return said
    return True


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = document.get(key)
    return part if isinstance(part, Mapping) else {}


@cache
def _defaults() -> tuple[tuple[str, bool], ...]:
    part = schemas.load("user")["properties"][FORWARD]
    return tuple(schemas.defaults_of(part).items())
