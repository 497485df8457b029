"""Requests as they come from the network, accounts, and an admission around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callflow.channels.sip.admission import Admission, Challenged
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.digest_client import DigestAnswers
from callflow.channels.sip.message import Request, Response, read_message
from callflow.channels.sip.registrar import Registrar
from callflow.channels.sip.transport import Hop
from callflow.clock import VirtualClock
from callflow.documents.accounts import Account
from callflow.documents.settings import SipSettings, load_settings

WALL = 1_790_000_000.0
PHONE = Hop("udp", "192.0.2.77", 50_060)
HERE = Hop("udp", "127.0.0.1", 50_070)


def settings(**over: object) -> SipSettings:
    """The shipped settings of SIP, some of them other."""
    return load_settings(overrides={f"sip.{name}": value for name, value in over.items()}).sip


class Clock(VirtualClock):
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        super().__init__(WALL)
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return WALL + self.at


def account(
    id: str = "acme", realm: str = "acme.example", document: Mapping[str, Any] | None = None, **documents: Any
) -> Account:
    """An account: ``device={id: document}``, ``user=...``, ``resource=...``."""
    return Account(id, None, {"realm": realm, **(document or {})}, documents)


def device(username: str = "desk7", password: str = "correct-horse", **rest: Any) -> dict[str, Any]:
    return {"sip": {"username": username, "password": password}, **rest}


def accounts(*found: Account) -> dict[str, Account]:
    return {one.id: one for one in found}


ACME = account(
    device={"desk": device(owner_id="alice"), "off": device("gone", enabled=False), "bare": {"name": "Bare"}},
    user={"alice": {"caller_id": {"internal": {"number": "1001", "name": "Alice"}}}},
)


def request(
    method: str = "INVITE",
    uri: str = "sip:2001@acme.example",
    *,
    from_: str = '"Mallory" <sip:mallory@evil.example>;tag=1',
    to: str = "",
    headers: Sequence[tuple[str, str]] = (),
    cseq: int = 1,
    call_id: str = "a84b4c76e66710",
) -> Request:
    """A request that has gone over the wire."""
    rows = [
        ("Via", "SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK776asdhds"),
        ("Max-Forwards", "70"),
        ("To", to or f"<{uri}>"),
        ("From", from_),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        *headers,
        ("Content-Length", "0"),
    ]
    text = f"{method} {uri} SIP/2.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in rows) + "\r\n"
    read = read_message(text.encode())
    assert isinstance(read, Request)
    return read


def register(*contacts: str, expires: str = "", **other: Any) -> Request:
    rows = [("Contact", contact) for contact in contacts]
    rows += [("Expires", expires)] if expires else []
    rows += other.pop("headers", [])
    to = other.pop("to", "<sip:desk7@acme.example>")
    return request("REGISTER", "sip:acme.example", to=to, from_=f"{to};tag=9", headers=rows, **other)


@dataclass
class Door:
    """An admission, and phones that answer its challenges."""

    accounts: dict[str, Account] = field(default_factory=lambda: accounts(ACME))
    settings: SipSettings = field(default_factory=settings)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.admission = Admission(self.accounts, self.settings, self.clock)
        self.registrar = Registrar(self.settings, self.clock)

    def challenge(self, asked: Request | None = None, source: Hop = PHONE) -> Response:
        verdict = self.admission.judge(asked or request(), source)
        assert isinstance(verdict, Challenged)
        return verdict.response

    def answered(
        self, username: str, password: str, *, asked: Request | None = None, source: Hop = PHONE
    ) -> Request:
        """``asked`` again, with an answer to the challenge that it gets."""
        asked = asked or request()
        answers = DigestAnswers(Credentials(username, password))
        assert answers.answer(self.challenge(asked, source))
        return with_headers(asked, answers.headers(asked.method, str(asked.uri)))


def with_headers(asked: Request, headers: Sequence[tuple[str, str]]) -> Request:
    head, _, body = asked.to_bytes().partition(b"\r\n\r\n")
    rows = "".join(f"\r\n{name}: {value}" for name, value in headers)
    again = read_message(head + rows.encode() + b"\r\n\r\n" + body)
    assert isinstance(again, Request)
    return again
