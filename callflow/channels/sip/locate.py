"""Layer 2: where an outbound leg goes: from a target of the engine's to a request uri, a hop, a From."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from callflow.channels.channel import CAUSE_CODES, DialTarget, Party
from callflow.channels.sip.credentials import Credentials, realm_of, username_of
from callflow.channels.sip.device_sound import codecs_of, part, srtp_of
from callflow.channels.sip.header import is_token
from callflow.channels.sip.registrar import Binding, Registrar
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.trunks import GatewayHealth, Trunks
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.resources import Gateway
from callflow.documents.settings import SipSettings
from callflow.errors import MalformedMessage
from callflow.log import one_line

MAX_HEADERS = 32
MAX_VALUE = 1024
HIDDEN = "anonymous"
"""The user of a From whose number is not shown (RFC 3323 4.1)."""

OURS = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route", "record-route", "rack"}
    | {"content-length", "content-type", "content-encoding", "authorization", "proxy-authorization"}
    | {"require", "proxy-require", "supported", "allow", "session-expires", "min-se", "replaces", "event"}
    | {"refer-to", "referred-by", "expires"}
    | set("vftimlcekxrbo")  # compact forms
)
"""Headers that no document may set."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to call a target. ``cause``: not at all, and why (``USER_NOT_REGISTERED`` ...); the addresses are
    None then. ``hop`` None: resolve ``routes`` or ``request_uri`` (``SipStack.hop_for``). ``codecs`` and
    ``srtp`` empty: as the settings say. ``from_`` and ``to`` are without tags. ``progress_timeout_s``: give
    up when nothing but 100 has come until then (0: no limit). ``device_id``, ``user_id``: whose phone it is.
    ``roams``: a 3xx may send the call to any host; False: only to the one that has sent it. ``realm``: whose
    addresses, besides our own, are numbers of ours when a 3xx names them.
    """

    request_uri: SipUri | None = None
    from_: NameAddr | None = None
    to: NameAddr | None = None
    routes: tuple[NameAddr, ...] = ()
    hop: Hop | None = None
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    codecs: tuple[str, ...] = ()
    srtp: str = ""
    progress_timeout_s: float = 0.0
    user_id: str = ""
    device_id: str = ""
    cause: str = ""
    code: int = 0
    roams: bool = True
    realm: str = ""


class Locator:
    """Knows the accounts' documents, the registered phones and how the gateways are doing."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        registrar: Registrar,
        settings: SipSettings,
        clock: Clock,
        *,
        trunks: Trunks | None = None,
    ) -> None:
        self._registrar = registrar
        self._clock = clock
        self._health = GatewayHealth(settings.gateway_rest_s)
        self.load(accounts, settings, trunks or Trunks(accounts))

    def load(self, accounts: Mapping[str, Account], settings: SipSettings, trunks: Trunks) -> None:
        """Other documents from now on."""
        self._accounts = dict(accounts)
        self._trunks = trunks
        self._health.rest_s = settings.gateway_rest_s

    def expand(self, account_id: str, target: DialTarget) -> Sequence[DialTarget]:
        """One target for each registered phone of a device (see ``Dialer.expand``); a user stands for the
        devices it owns.
        """
        if target.endpoint == "user":
            found = [
                way
                for device in self._devices_of(account_id, target)
                for way in self._phones(account_id, device)
            ]
            return found or [target]
        return self._phones(account_id, target) if target.endpoint == "device" else [target]

    def way(self, account_id: str, target: DialTarget, caller: Party) -> Way:
        """How to call ``target``. Does not wait and does not raise."""
        account = self._accounts.get(account_id)
        if account is None:
            return _none("NO_ROUTE_DESTINATION")
        if target.endpoint == "device":
            return self._to_device(account, target, caller)
        if target.endpoint == "number":
            gateway = self._trunks.find(account_id, target.contact)
            if gateway is None:
                return _none("NO_ROUTE_DESTINATION")
            return replace(_to_gateway(gateway, target, caller), realm=realm_of(account))
        return _none("USER_NOT_REGISTERED")

    def resting(self, account_id: str, target: DialTarget) -> bool:
        """A gateway that failed a moment ago: to be tried after the others (for ``Dialer.resting``)."""
        gateway = self._trunks.find(account_id, target.contact) if target.endpoint == "number" else None
        return gateway is not None and self._health.resting(gateway, self._clock.now())

    def outcome(self, account_id: str, target: DialTarget, status: int) -> None:
        """How a leg went, for gateways: its first final status; 0: no answer, or no connection."""
        gateway = self._trunks.find(account_id, target.contact) if target.endpoint == "number" else None
        if gateway is not None:
            self._health.outcome(gateway, status, self._clock.now())

    # ---- devices

    def _devices_of(self, account_id: str, target: DialTarget) -> list[DialTarget]:
        account = self._accounts.get(account_id)
        return [
            replace(target, endpoint="device", id=id, document=document)
            for id, document in sorted(account.all("device").items() if account else ())
            if document.get("owner_id") == target.id and document.get("enabled") is not False
        ]

    def _phones(self, account_id: str, target: DialTarget) -> list[DialTarget]:
        if target.contact or _fixed_address(target):
            return [target]
        bindings = self._registrar.bindings(account_id, target.id)
        return [replace(target, contact=binding.contact) for binding in bindings] or [target]

    def _to_device(self, account: Account, target: DialTarget, caller: Party) -> Way:
        document = target.document or account.get("device", target.id) or {}
        realm = realm_of(account)
        user = username_of(target.id, document)
        plain = Way(
            from_=NameAddr(SipUri(user=caller.from_number, host=realm), caller.from_name),
            to=NameAddr(SipUri(user=user, host=realm)),
            headers=_headers(target.headers.items()),
            codecs=codecs_of(document),
            user_id=str(document.get("owner_id") or ""),
            device_id=target.id,
            srtp=srtp_of(document),
            realm=realm,
            roams=False,  # a phone, or who has its password, does not send our callers to strangers
        )
        fixed = _fixed_address(replace(target, document=document))
        if fixed:
            uri = _parsed(fixed)
            return replace(plain, request_uri=uri) if uri else _none("INVALID_NUMBER_FORMAT")
        binding = self._binding(account.id, target)
        uri = _parsed(binding.contact) if binding else None
        if binding is None or uri is None:
            return _none("USER_NOT_REGISTERED")
        said = part(document, "sip").get("static_invite")
        if isinstance(said, str) and said:
            uri = replace(uri, user=said)
        routes = tuple(NameAddr(path) for path in map(_parsed, binding.path) if path)
        # A connection of an earlier process is gone: perhaps the phone listens where its contact says.
        lost = binding.hop.transport != "udp" and not binding.hop.connection
        return replace(plain, request_uri=uri, routes=routes, hop=None if lost else binding.hop)

    def _binding(self, account_id: str, target: DialTarget) -> Binding | None:
        bindings = self._registrar.bindings(account_id, target.id)
        return next((b for b in bindings if target.contact in ("", b.contact)), None)


def _to_gateway(gateway: Gateway, target: DialTarget, caller: Party) -> Way:
    host = f"[{gateway.server}]" if ":" in gateway.server.strip("[]") else gateway.server
    params = {} if gateway.transport == "udp" else {"transport": gateway.transport}
    uri = _parsed(f"sip:{host}")
    if uri is None:
        return _none("NO_ROUTE_DESTINATION")
    realm, rules = gateway.realm or uri.host, gateway.formatters
    dialled = rules.apply(target.id, "request", "to_did") or target.id
    to = rules.apply(target.id, "to", "to_did") or target.id
    number = rules.apply(caller.from_number, "from", "outbound_caller_id_number", "caller_id_number")
    name = rules.apply(caller.from_name, "outbound_caller_id_name", "caller_id_name")
    headers = [(key, rules.apply(text, key)) for key, text in (*gateway.headers, *target.headers.items())]
    return Way(
        request_uri=replace(uri, user=one_line(dialled), port=gateway.port or uri.port, params=params),
        from_=NameAddr(SipUri(user=one_line(number or HIDDEN), host=realm), one_line(name or "")),
        to=NameAddr(SipUri(user=one_line(to), host=uri.host)),
        headers=_headers((key, text) for key, text in headers if text is not None),
        credentials=Credentials(gateway.username, gateway.password) if gateway.username else None,
        codecs=gateway.codecs,
        srtp=gateway.srtp,
        progress_timeout_s=gateway.progress_timeout_s,
    )


def _none(cause: str) -> Way:
    return Way(cause=cause, code=CAUSE_CODES.get(cause, 480))


def _fixed_address(target: DialTarget) -> str:
    """The URI of a device that does not register (``sip.route``, ``sip.ip``); empty: it has to."""
    sip = part(target.document, "sip")
    route, static, ip = sip.get("route"), sip.get("static_route"), sip.get("ip")
    if sip.get("invite_format") == "route" and isinstance(route, str) and route:
        return route
    if isinstance(static, str) and static.startswith(("sip:", "sips:")):
        return static
    if sip.get("method") == "ip" and isinstance(ip, str) and ip:
        host = f"[{ip}]" if ":" in ip.strip("[]") and ip.count(":") > 1 and not ip.startswith("[") else ip
        return f"sip:{username_of(target.id, target.document)}@{host}"
    return ""


def _parsed(text: str) -> SipUri | None:
    try:
        uri = SipUri.parse(text)
    except MalformedMessage:
        return None
    return uri if uri.is_sip and uri.host else None


def _headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Headers that documents may add: no line breaks, none that belong to the dialog, not too many."""
    kept = [
        (name, one_line(value, MAX_VALUE))
        for name, value in pairs
        if is_token(name) and name.lower() not in OURS
    ]
    return tuple(kept[:MAX_HEADERS])
