"""Layer 2: who has which password: devices by user name and realm, as the accounts' documents say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from callflow.documents.accounts import Account


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a digest challenge is answered with. ``realm``: only a challenge of this realm (empty: any)."""

    username: str
    password: str = field(repr=False)
    realm: str = ""


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A device of an account that may log in: ``username`` within ``realm``."""

    account_id: str
    device_id: str
    username: str
    realm: str
    password: str = field(repr=False)


class Logins:
    """All devices with a password, of all accounts; never changed, but made anew when documents change."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        raise NotImplementedError

    def find(self, username: str, realm: str) -> DeviceLogin | None:
        """The enabled device with this user name in this realm (case of the realm does not count)."""
        raise NotImplementedError

    def realms(self, account_id: str) -> tuple[str, ...]:
        """The realms of an account: its own first, then those of its devices."""
        raise NotImplementedError

    def account_of_realm(self, realm: str) -> str:
        """The account whose realm this is; empty: nobody's."""
        raise NotImplementedError


def realm_of(account: Account) -> str:
    """The account's SIP domain: ``realm`` of its document, else its id."""
    realm = account.document.get("realm")
    return realm if isinstance(realm, str) and realm else account.id
