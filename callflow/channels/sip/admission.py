"""Layer 2: who may call, and as whom. Every request from outside a dialog is judged here.

A device by digest, a trunk by its address or by digest; where an account knows neither passwords nor
gateways, whoever is on this machine. Everybody else is challenged, and learns nothing by it: an unknown
realm, an unknown user and a wrong password take the same way and get the same answer. Who a request says it
is from counts for nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from callflow.channels.channel import Party
from callflow.channels.sip.credentials import Login, Logins, realm_of, username_of
from callflow.channels.sip.device_sound import codecs_of, srtp_of
from callflow.channels.sip.digest import DigestServer, Proof
from callflow.channels.sip.digest_words import HASHES
from callflow.channels.sip.message import Request, Response, new_response, stateless_tag
from callflow.channels.sip.throttle import Throttle
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.trunks import Trunk, Trunks
from callflow.channels.sip.uri import NameAddr
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.caller_id import caller_id, clean_name, clean_number
from callflow.documents.settings import SipSettings
from callflow.errors import MalformedMessage
from callflow.log import logger, one_line

MAX_CLAIMS = 4
"""Authorization headers of a request that are looked at."""

MAX_REALM = 253


@dataclass(frozen=True, slots=True)
class Admitted:
    """May call. ``party``: who calls whom, in the account's words. ``trunk``: the resource it comes by.
    ``username``: the device's SIP user name, for which it may register. ``codecs``, ``srtp``: as in ``Way``.
    """

    account_id: str
    party: Party
    realm: str
    trunk: str = ""
    username: str = ""
    codecs: tuple[str, ...] = ()
    srtp: str = ""


@dataclass(frozen=True, slots=True)
class Challenged:
    """Has to say who it is: send ``response`` (401)."""

    response: Response


@dataclass(frozen=True, slots=True)
class Refused:
    """May not, whoever it is: send ``response``."""

    response: Response


@dataclass(frozen=True, slots=True)
class Ignored:
    """Gets no answer at all."""


Verdict = Admitted | Challenged | Refused | Ignored


@dataclass(slots=True)
class AdmissionCounts:
    """What has come since the start."""

    admitted: int = 0
    challenged: int = 0
    wrong: int = 0
    stale: int = 0
    banned: int = 0  # addresses
    ignored: int = 0  # requests


class Admission:
    """Judges requests (see above)."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        settings: SipSettings,
        clock: Clock,
        *,
        trunks: Trunks | None = None,
    ) -> None:
        self._clock = clock
        self._digest = DigestServer(lifetime_s=settings.nonce_s)
        self._throttle = Throttle(limit=settings.failed_auth_per_minute, ban_s=settings.ban_s)
        self.counts = AdmissionCounts()
        self.load(accounts, settings, trunks or Trunks(accounts))

    def load(self, accounts: Mapping[str, Account], settings: SipSettings, trunks: Trunks) -> None:
        """Other documents and settings from now on; who is banned stays so."""
        self._accounts = dict(accounts)
        self._settings = settings
        self._trunks = trunks
        self._logins = Logins(accounts)
        self._digest.lifetime_s = settings.nonce_s
        self._digest.algorithms = tuple(HASHES) if settings.digest == "both" else (settings.digest,)
        self._throttle.limit, self._throttle.ban_s = settings.failed_auth_per_minute, settings.ban_s
        for clash in self._logins.clashes:
            logger.warning("logins: %s; the first one counts", one_line(clash, 300))

    @property
    def guarded(self) -> bool:
        """Every account has passwords or gateways: it may be reached from other machines."""
        return bool(self._accounts) and not any(self._is_open(id) for id in self._accounts)

    def ignored(self, source: Hop) -> bool:
        """Whether this address is banned now: for what is answered without a judgement (OPTIONS)."""
        return self._throttle.banned(source.host, self._clock.now())

    def judge(self, request: Request, source: Hop) -> Verdict:
        """May this request (INVITE, REGISTER, any other outside a dialog) be served, and for whom?"""
        if self.ignored(source):
            return self._ignore()
        trunk = None if request.method == "REGISTER" else self._trunk(request, source)
        if trunk is not None:
            return self._admit(self._from_trunk(request, trunk.account_id, trunk.resource_id))
        claims = list(islice(request.all("Authorization"), MAX_CLAIMS))
        if claims:
            return self._by_digest(request, source, claims)
        account = self._open_account(request, source)
        if account is not None:
            return self._admit(self._from_guest(request, account))
        if self._throttle.scanning(source.host, self._clock.now()):
            return self._ignore()
        return self._challenge(request, source)

    # ---- by digest

    def _by_digest(self, request: Request, source: Hop, claims: list[str]) -> Verdict:
        now = self._clock.now()
        stale = at_home = False
        for authorization in claims:
            claim = self._digest.claim(authorization)
            login = self._logins.find(claim.username, claim.realm) if claim else None
            password = login.password if login else None
            judged = self._digest.judge(authorization, request.method, password, now, host=source.host)
            if judged.proof is Proof.GOOD and login is not None:
                self._throttle.proved(source.host)
                return self._admit(self._from_login(request, login))
            stale = stale or judged.proof is Proof.STALE
            at_home = at_home or judged.at_home
        if stale:
            self.counts.stale += 1
            return self._challenge(request, source, stale=True)
        self.counts.wrong += 1
        if at_home:  # others may have forged the address: they could fill the log
            user = one_line(claim.username, 60) if claim else ""
            logger.info("%s has sent a wrong user name or password, as user %r", source.host, user)
        if at_home and self._throttle.failed(source.host, now):
            self.counts.banned += 1
            logger.warning("%s is ignored for %s s: wrong passwords", source.host, self._settings.ban_s)
        return self._challenge(request, source)

    def _challenge(self, request: Request, source: Hop, *, stale: bool = False) -> Challenged:
        now = self._clock.now()
        self._throttle.challenged(source.host, now)
        self.counts.challenged += 1
        values = self._digest.challenges(self._realm_for(request), now, host=source.host, stale=stale)
        headers = [("WWW-Authenticate", value) for value in values]
        return Challenged(new_response(request, 401, to_tag=stateless_tag(request.headers), headers=headers))

    def _realm_for(self, request: Request) -> str:
        """The realm to ask for: the one that is called, if it is ours; the only account's; else whatever was
        called, so that no answer tells which realms there are.
        """
        called = _host_called(request)
        if not self._logins.account_of_realm(called) and len(self._accounts) == 1:
            return realm_of(next(iter(self._accounts.values())))
        return called

    # ---- who it is

    def _from_login(self, request: Request, login: Login) -> Admitted:
        if login.trunk:
            return self._from_trunk(request, login.account_id, login.trunk)
        return self._from_device(request, self._accounts[login.account_id], login.device_id, login.realm)

    def _from_device(self, request: Request, account: Account, device_id: str, realm: str) -> Admitted:
        device = account.get("device", device_id) or {}
        owner = str(device.get("owner_id") or "")
        number, name = caller_id(account, device_id, owner, "internal")
        party = Party(
            from_number=number or username_of(device_id, device),
            to_number=clean_number(request.uri.user),
            from_name=name or clean_name(request.from_.display),
            from_realm=realm,
            to_realm=realm,
            user_id=owner,
            device_id=device_id,
        )
        return Admitted(
            account.id,
            party,
            realm,
            username=username_of(device_id, device),
            codecs=codecs_of(device),
            srtp=srtp_of(device),
        )

    def _from_trunk(self, request: Request, account_id: str, resource_id: str) -> Admitted:
        """A carrier's word on who calls is taken: P-Asserted-Identity (RFC 3325) before From."""
        account = self._accounts[account_id]
        said = _asserted(request) or request.from_
        party = Party(
            from_number=clean_number(said.uri.user),
            to_number=clean_number(request.uri.user),
            from_name=clean_name(said.display or request.from_.display),
            from_realm=clean_number(said.uri.host) or "localhost",
            to_realm=realm_of(account),
            trunk=resource_id,
        )
        return Admitted(account_id, party, realm_of(account), trunk=resource_id)

    def _from_guest(self, request: Request, account: Account) -> Admitted:
        """On an open account a softphone is the device that it says it is, if there is such a one."""
        realm = realm_of(account)
        said = request.from_.uri.user
        for device_id, device in sorted(account.all("device").items()):
            if username_of(device_id, device) == said and device.get("enabled") is not False:
                return self._from_device(request, account, device_id, realm)
        party = Party(
            from_number=clean_number(said) or "anonymous",
            to_number=clean_number(request.uri.user),
            from_name=clean_name(request.from_.display),
            from_realm=realm,
            to_realm=realm,
        )
        return Admitted(account.id, party, realm)

    # ---- trunks and open accounts

    def _trunk(self, request: Request, source: Hop) -> Trunk | None:
        """Of several accounts with the same carrier: the one whose realm is called, else the first."""
        found = self._trunks.at(source.host)
        called = self._logins.account_of_realm(request.uri.host)
        return next((trunk for trunk in found if trunk.account_id == called), found[0] if found else None)

    def _is_open(self, account_id: str) -> bool:
        return not (self._logins.has_passwords(account_id) or self._trunks.of_account(account_id))

    def _open_account(self, request: Request, source: Hop) -> Account | None:
        if not (self._settings.open_on_loopback and _is_loopback(source.host)):
            return None
        called = self._logins.account_of_realm(_host_called(request))
        if not called and len(self._accounts) == 1:
            called = next(iter(self._accounts))
        return self._accounts[called] if called and self._is_open(called) else None

    # ---- counting

    def _admit(self, admitted: Admitted) -> Admitted:
        self.counts.admitted += 1
        return admitted

    def _ignore(self) -> Ignored:
        self.counts.ignored += 1
        return Ignored()


def _host_called(request: Request) -> str:
    """The domain that is called: a registration's To, else the request URI."""
    host = request.to.uri.host if request.method == "REGISTER" else request.uri.host
    return "".join(c for c in host if c.isprintable())[:MAX_REALM]


def _asserted(request: Request) -> NameAddr | None:
    value = request.get("P-Asserted-Identity")
    try:
        found = NameAddr.parse_many(value) if value else []
    except MalformedMessage:
        return None
    return next((one for one in found if one.uri.user), None)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
