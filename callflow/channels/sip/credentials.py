"""Layer 2: who has which password: devices (and gateways) by user name and realm, as the documents say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.documents.accounts import Account
from callflow.documents.resources import gateways_of


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a digest challenge is answered with. ``realm``: only a challenge of this realm (empty: any)."""

    username: str
    password: str = field(repr=False)
    realm: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """Who may log in as ``username`` within ``realm``: a device of an account, or a gateway (``trunk``: the
    resource it belongs to; ``device_id`` is empty then).
    """

    account_id: str
    device_id: str
    username: str
    realm: str
    password: str = field(repr=False)
    trunk: str = ""


class Logins:
    """All devices and gateways with a password, of all accounts; never changed, but made anew when documents
    change. ``clashes``: logins that another one has taken, in words.
    """

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._logins: dict[tuple[str, str], Login] = {}
        self._realms: dict[str, str] = {}
        self._guarded: set[str] = set()
        clashes: list[str] = []
        for account in accounts.values():
            own = realm_of(account).lower()
            if self._realms.setdefault(own, account.id) != account.id:
                clashes.append(f"accounts {self._realms[own]} and {account.id} have the same realm {own}")
            if any(_says_password(device) for device in account.all("device").values()):
                self._guarded.add(account.id)
            for login in (*_devices(account), *_gateways(account)):
                self._realms.setdefault(login.realm.lower(), account.id)
                key = (login.realm.lower(), login.username)
                if key in self._logins:
                    clashes.append(f"{login.username}@{login.realm} is there more than once")
                self._logins.setdefault(key, login)
                self._guarded.add(account.id)
        self.clashes = tuple(clashes)

    def find(self, username: str, realm: str) -> Login | None:
        """Who has this user name in this realm (case of the realm does not count)."""
        return self._logins.get((realm.lower(), username))

    def account_of_realm(self, realm: str) -> str:
        """The account whose realm this is, or a device's of it; empty: nobody's."""
        return self._realms.get(realm.lower(), "")

    def has_passwords(self, account_id: str) -> bool:
        """Whether the account is meant to be guarded: a device of it (even one that is switched off, or whose
        password cannot be used) has a password, or a gateway.
        """
        return account_id in self._guarded


def realm_of(account: Account) -> str:
    """The account's SIP domain: ``realm`` of its document, else its id."""
    realm = account.document.get("realm")
    return realm if isinstance(realm, str) and realm else account.id


def username_of(device_id: str, device: Mapping[str, Any]) -> str:
    """A device's SIP user name: ``sip.username``, else its id."""
    sip = device.get("sip")
    said = sip.get("username") if isinstance(sip, Mapping) else None
    return said if isinstance(said, str) and said else device_id


def _says_password(device: Mapping[str, Any]) -> bool:
    sip = device.get("sip")
    return isinstance(sip, Mapping) and bool(sip.get("password"))


def _devices(account: Account) -> Iterator[Login]:
    for id, device in sorted(account.all("device").items()):
        sip = device.get("sip")
        if not isinstance(sip, Mapping) or device.get("enabled") is False:
            continue
        password, realm = sip.get("password"), sip.get("realm")
        if isinstance(password, str) and password:
            own = realm if isinstance(realm, str) and realm else realm_of(account)
            yield Login(account.id, id, username_of(id, device), own, password)


def _gateways(account: Account) -> Iterator[Login]:
    for gateway in gateways_of(account):
        if gateway.username and gateway.password:
            yield Login(
                account.id, "", gateway.username, realm_of(account), gateway.password, gateway.resource_id
            )
