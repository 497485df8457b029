"""Layer 2: where devices are: REGISTER (RFC 3261 10.3, 5626, 3327), kept by device. No input or output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from callflow.channels.sip.message import Request, Response, new_response
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock
from callflow.documents.settings import SipSettings
from callflow.errors import MalformedMessage
from callflow.log import logger, one_line

if TYPE_CHECKING:
    from callflow.channels.sip.admission import Admitted

MAX_CONTACT = 1024
"""Characters of a contact; longer ones are refused."""

MAX_PATHS = 8
_MAX_TEXT = 256

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Binding:
    """One phone of a device. ``expires_at``: wall seconds since 1970. ``hop``: where its REGISTER came from:
    requests go back there, whatever the contact says (NAT). ``path``: RFC 3327, first is nearest to us.
    """

    account_id: str
    device_id: str
    contact: str
    expires_at: float
    q: float
    call_id: str
    cseq: int
    hop: Hop
    path: tuple[str, ...] = ()
    instance: str = ""
    reg_id: int = 0
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The registration cannot be carried out: what to answer."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


_BAD_CONTACT = _Refusal(400, "Bad Contact")
_OUT_OF_ORDER = _Refusal(500, "Out Of Order")


class Registrar:
    """All bindings of this process. ``changed`` is called after each change."""

    def __init__(self, settings: SipSettings, clock: Clock) -> None:
        self.settings = settings
        self.changed: Callable[[], None] = lambda: None
        self._clock = clock
        self._bindings: dict[Key, tuple[Binding, ...]] = {}
        self._flows: dict[int, set[Key]] = {}  # whose phones are on a stream connection

    def register(self, request: Request, source: Hop, admitted: Admitted) -> Response:
        """Carry out a REGISTER of somebody who has been let in as a device; all of it or nothing."""
        key = (admitted.account_id, admitted.party.device_id)
        before = self.bindings(*key)
        after = self._refusal(request, admitted) or self._carried_out(request, source, key, before)
        if isinstance(after, _Refusal):
            return new_response(request, after.status, after.reason, headers=after.headers)
        if after != before:
            self._keep(key, after)
            _tell(key, before, after)
        if source.connection and any(binding.hop == source for binding in after):
            self._flows.setdefault(source.connection, set()).add(key)
        return new_response(request, 200, headers=self._answer(request, after))

    def bindings(self, account_id: str, device_id: str) -> tuple[Binding, ...]:
        """The phones of a device that are registered now, highest q first, then the latest."""
        now = self._clock.wall()
        return tuple(b for b in self._bindings.get((account_id, device_id), ()) if b.expires_at > now)

    def forget_flow(self, hop: Hop) -> None:
        """A stream connection is gone: its phones are called at their contacts; one that has asked to be
        called on this very flow (``reg-id``, RFC 5626) cannot be reached until it registers again.
        """
        for key in self._flows.pop(hop.connection, ()):
            bindings = self._bindings.get(key, ())
            left = (b for b in bindings if b.hop.connection != hop.connection or not b.reg_id)
            self._keep(key, tuple(_off(b) if b.hop.connection == hop.connection else b for b in left))

    @property
    def count(self) -> int:
        """Bindings that are there now."""
        return sum(1 for _ in self.all())

    def all(self) -> Iterator[Binding]:
        """Every binding that has not expired; what has is forgotten."""
        now = self._clock.wall()
        for key, bindings in list(self._bindings.items()):
            left = tuple(b for b in bindings if b.expires_at > now)
            if len(left) < len(bindings):
                _tell(key, bindings, left, ": it has not registered again in time")
            if left:
                self._bindings[key] = left
            else:
                del self._bindings[key]
            yield from left

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take back what an earlier process knew; at most ``max_contacts`` for a device."""
        latest = self._clock.wall() + self.settings.registration_max_s
        for binding in bindings:
            if not binding.expires_at <= latest:
                continue
            key = (binding.account_id, binding.device_id)
            there = self._bindings.get(key, ())
            if len(there) < self.settings.max_contacts and all(b.contact != binding.contact for b in there):
                self._bindings[key] = _sorted((*there, binding))

    def keep_only(self, devices: set[Key]) -> None:
        """Forget the phones of devices that are not in the documents any more."""
        for key in self._bindings.keys() - devices:
            self._keep(key, ())

    # ---- a REGISTER

    def _refusal(self, request: Request, admitted: Admitted) -> _Refusal | None:
        """RFC 3261 10.3, steps 2 to 5: may this device change this address of record?"""
        unknown = request.require - {"path"}
        if unknown:
            return _Refusal(420, headers=(("Unsupported", ", ".join(sorted(unknown))[:_MAX_TEXT]),))
        if not admitted.party.device_id or request.to.uri.user != admitted.username:
            return _Refusal(403)
        return None

    def _carried_out(
        self, request: Request, source: Hop, key: Key, before: tuple[Binding, ...]
    ) -> tuple[Binding, ...] | _Refusal:
        """The bindings that are left when the request is carried out (RFC 3261 10.3, steps 6 and 7)."""
        contacts = request.contacts
        if any(contact.is_star for contact in contacts):
            alone = len(contacts) == 1 and request.get("Expires").strip() == "0"
            in_order = all(_in_order(request, binding) for binding in before)
            return _BAD_CONTACT if not alone else () if in_order else _OUT_OF_ORDER
        if len(contacts) > self.settings.max_contacts:
            return _Refusal(403, "Too Many Contacts")
        path = _path(request)
        if path is None:
            return _Refusal(400, "Bad Path")
        kept, made = list(before), list[Binding]()
        for contact in contacts:
            expires = self._expires(request, contact)
            if not _usable(contact):
                return _BAD_CONTACT
            if 0 < expires < self.settings.registration_min_s:
                return _Refusal(423, headers=(("Min-Expires", str(self.settings.registration_min_s)),))
            new = self._binding(request, source, key, contact, path, expires)
            for old in [binding for binding in kept if _same_phone(binding, new)]:
                if not _in_order(request, old):
                    return _OUT_OF_ORDER
                kept.remove(old)
            if expires:
                made = [binding for binding in made if not _same_phone(binding, new)] + [new]
        # A phone that comes back under another port leaves its old contact behind: the oldest give way.
        kept.sort(key=lambda binding: -binding.expires_at)
        return _sorted((*made, *kept[: max(0, self.settings.max_contacts - len(made))]))

    def _expires(self, request: Request, contact: NameAddr) -> int:
        """The parameter over the header over the longest allowed; 0 unregisters."""
        said = contact.params.get("expires", request.get("Expires")).strip()
        longest = self.settings.registration_max_s
        # RFC 3261 10.3: what cannot be read is as if it were not there.
        return min(int(said[:10]), longest) if said.isascii() and said.isdigit() else longest

    def _binding(
        self,
        request: Request,
        source: Hop,
        key: Key,
        contact: NameAddr,
        path: tuple[str, ...],
        expires: int,
    ) -> Binding:
        return Binding(
            *key,
            contact=str(contact.uri),
            expires_at=self._clock.wall() + expires,
            q=_q(contact.params.get("q", "")),
            call_id=request.call_id,
            cseq=request.cseq.number,
            hop=source,
            path=path,
            instance=_plain(contact.params.get("+sip.instance", "")),
            reg_id=_small(contact.params.get("reg-id", "")),
            user_agent=_plain(request.get("User-Agent")),
        )

    def _keep(self, key: Key, bindings: tuple[Binding, ...]) -> None:
        if bindings:
            self._bindings[key] = bindings
        else:
            self._bindings.pop(key, None)
        self.changed()

    def _answer(self, request: Request, bindings: tuple[Binding, ...]) -> list[tuple[str, str]]:
        """All current bindings with the seconds they have left (RFC 3261 10.3, step 8)."""
        now = self._clock.wall()
        rows = [("Contact", _written(b, max(1, round(b.expires_at - now)))) for b in bindings]
        if "path" in request.supported:
            rows += [("Path", path) for path in request.all("Path")[:MAX_PATHS]]
        return rows


def _tell(key: Key, before: tuple[Binding, ...], after: tuple[Binding, ...], why: str = "") -> None:
    """Phones that have come and gone; one that only says again that it is there is no news."""
    account, device = (one_line(id, 60) for id in key)
    old, new = ({b.contact: b.user_agent for b in each} for each in (before, after))
    for contact in new.keys() - old.keys():
        phone = f" ({one_line(new[contact], 60)})" if new[contact] else ""
        logger.info(
            "device %s of account %s is registered at %s%s", device, account, one_line(contact), phone
        )
    for contact in old.keys() - new.keys():
        logger.info(
            "device %s of account %s is no longer registered at %s%s", device, account, one_line(contact), why
        )


def _off(binding: Binding) -> Binding:
    return replace(binding, hop=replace(binding.hop, connection=0))


def _in_order(request: Request, binding: Binding) -> bool:
    """RFC 3261 10.3: of one Call-ID, only a later request may change what an earlier one said."""
    return request.call_id != binding.call_id or request.cseq.number > binding.cseq


def _usable(contact: NameAddr) -> bool:
    return contact.uri.is_sip and bool(contact.uri.host) and len(str(contact.uri)) <= MAX_CONTACT


def _same_phone(old: Binding, new: Binding) -> bool:
    """The same contact (RFC 3261 19.1.4), or the same instance of a phone (RFC 5626 6)."""
    if new.instance and (old.instance, old.reg_id) == (new.instance, new.reg_id):
        return True
    return SipUri.parse(old.contact) == SipUri.parse(new.contact)


def _sorted(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    return tuple(sorted(bindings, key=lambda b: (-b.q, -b.expires_at, b.contact)))


def _path(request: Request) -> tuple[str, ...] | None:
    """The Path of a registration, or None: it cannot be used."""
    try:
        rows = [str(one.uri) for value in request.all("Path") for one in NameAddr.parse_many(value)]
    except MalformedMessage:
        return None
    return None if len(rows) > MAX_PATHS or any(len(row) > MAX_CONTACT for row in rows) else tuple(rows)


def _plain(text: str) -> str:
    """Fit to be kept and to be put into quotes."""
    return "".join(c for c in text if c.isprintable() and c not in '"\\')[:_MAX_TEXT]


def _q(text: str) -> float:
    try:
        q = float(text) if len(text) <= 5 else 1.0
    except ValueError:
        return 1.0
    return q if 0.0 <= q <= 1.0 else 1.0


def _small(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _written(binding: Binding, left: int) -> str:
    row = f"<{binding.contact}>;expires={left}"
    if binding.q != 1.0:
        row += f";q={binding.q:.3f}".rstrip("0")
    if binding.instance:
        row += f';+sip.instance="{binding.instance}"' + (
            f";reg-id={binding.reg_id}" if binding.reg_id else ""
        )
    return row
