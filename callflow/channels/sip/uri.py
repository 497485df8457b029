"""Layer 2: SIP, SIPS and TEL URIs, and the addresses of From, To, Contact and Route.

RFC 3261 19.1 and 20.10, RFC 3966. Read leniently where real peers are careless (``#`` in the user part,
unquoted display names with commas), compared as RFC 3261 19.1.4 says, and written so that what comes out
is always valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from sipmessage.grammar import C_PASSWORD_SAFE, C_UNRESERVED, C_URI_PARAM_SAFE, C_USER_SAFE

from callflow.channels.sip.header import join_params, read_params, split_commas, unquoted
from callflow.errors import MalformedMessage

_SIP = re.compile(
    r"(?:([^@<>\"\s]+)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)(?::([0-9]{1,5}))?(;[^?<>\"\s@]*)?(?:\?([^<>\"\s]*))?"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_TEL = re.compile(r"(\+?[0-9A-Fa-f*#.()\-]*[0-9A-Fa-f*#][0-9A-Fa-f*#.()\-]*)(;[^<>\"\s]*)?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"\s*', re.DOTALL)
_HEADER_SAFE = C_UNRESERVED + "[]/?:+$"
_DECIDING = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that make two URIs different when only one of them has it (RFC 3261 19.1.4)."""


@dataclass(frozen=True, slots=True, eq=False)
class SipUri:
    """A URI. ``user`` and ``password`` are without ``%`` escapes; ``host`` is lower case, IPv6 in brackets;
    ``port`` 0: none was given. ``params`` and ``headers`` have their names in lower case, and "" for a
    parameter without a value (``;lr``). Of a ``tel:`` URI the number is the ``user``; of any other scheme
    ``user`` is the text after the colon, as it is, and the rest is empty.

    ``==`` is RFC 3261 19.1.4.
    """

    scheme: str = "sip"
    user: str = ""
    host: str = ""
    port: int = 0
    password: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> SipUri:
        """Read ``sip:user@host;param?header=value``. Raises MalformedMessage."""
        return _known(text) if len(text) <= MOST_KNOWN else _uri(text)

    @property
    def is_sip(self) -> bool:
        """A ``sip:`` or ``sips:`` URI."""
        return self.scheme in ("sip", "sips")

    @property
    def transport(self) -> str:
        """``udp``, ``tcp`` or ``tls``: of the parameter, else of the scheme; "" where neither says."""
        asked = self.params.get("transport", "").lower()
        if self.scheme == "sips":
            return "tls" if asked in ("", "tcp", "tls") else asked
        return asked

    def with_params(self, params: Mapping[str, str]) -> SipUri:
        """The same with ``params`` set over its own."""
        return replace(self, params={**self.params, **params})

    def bare(self) -> SipUri:
        """Without headers, password, port and parameters: an address of record."""
        return SipUri(self.scheme, self.user, self.host)

    def __str__(self) -> str:
        if not self.is_sip:
            return f"{self.scheme}:{self.user}{_uri_params(self.params)}"
        user = ""
        if self.user:
            user = _escaped(self.user, C_USER_SAFE)
            if self.password:
                user += ":" + _escaped(self.password, C_PASSWORD_SAFE)
            user += "@"
        port = f":{self.port}" if self.port else ""
        asked = "&".join(
            f"{_escaped(k, _HEADER_SAFE)}={_escaped(v, _HEADER_SAFE)}" for k, v in self.headers.items()
        )
        return f"{self.scheme}:{user}{self.host}{port}{_uri_params(self.params)}{'?' if asked else ''}{asked}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SipUri):
            return NotImplemented
        if self._fixed() != other._fixed() or self.headers != other.headers:
            return False
        mine, its = self.params, other.params
        return all(
            mine.get(name, "").lower() == its.get(name, "").lower()
            for name in (*_DECIDING, *(name for name in mine if name in its))
        )

    def __hash__(self) -> int:
        return hash(self._fixed())

    def _fixed(self) -> tuple[object, ...]:
        user = re.sub(r"[.()\-]", "", self.user) if self.scheme == "tel" else self.user
        return (self.scheme, user, self.password, self.host.lower(), self.port)


def _uri(text: str) -> SipUri:
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise MalformedMessage("a URI without a scheme")
    name, rest = scheme[1].lower(), text[scheme.end() :]
    if name in ("sip", "sips"):
        return _sip(name, rest)
    if name == "tel":
        return _tel(rest)
    if not rest or re.search(r"[\s<>\"]", rest):
        raise MalformedMessage("a URI with spaces, quotes or nothing in it")
    return SipUri(name, rest)


MOST_KNOWN = 128
_known = lru_cache(maxsize=2048)(_uri)
"""The same few URIs stand in most messages."""


def _uri_params(params: Mapping[str, str]) -> str:
    if not params:
        return ""
    return "".join(
        f";{_escaped(name, C_URI_PARAM_SAFE)}" + (f"={_escaped(value, C_URI_PARAM_SAFE)}" if value else "")
        for name, value in params.items()
    )


def _escaped(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="replace")


def _plain(text: str) -> str:
    """Without ``%`` escapes: UTF-8, and Latin-1 where it is not."""
    if "%" not in text:
        return text
    data = unquote_to_bytes(text)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _sip(scheme: str, rest: str) -> SipUri:
    found = _SIP.fullmatch(rest)
    if found is None:
        raise MalformedMessage("a SIP URI that cannot be read")
    userinfo, host, port, params, headers = found.groups()
    user, colon, password = (userinfo or "").partition(":")
    if colon and not user:
        raise MalformedMessage("a SIP URI with a password and no user")
    number = int(port) if port else 0
    if number > 65_535 or len(host) > 255:
        raise MalformedMessage("a SIP URI with an impossible host or port")
    return SipUri(
        scheme,
        _plain(user),
        host.lower(),
        number,
        _plain(password),
        _pairs(params[1:], ";") if params else {},
        _pairs(headers, "&") if headers else {},
    )


def _tel(rest: str) -> SipUri:
    found = _TEL.fullmatch(rest)
    if found is None:
        raise MalformedMessage("a tel URI that cannot be read")
    return SipUri("tel", found[1], params=_pairs(found[2][1:], ";") if found[2] else {})


def _pairs(text: str, separator: str) -> dict[str, str]:
    pairs = {}
    for part in text.split(separator):
        name, _, value = part.partition("=")
        if not name:
            raise MalformedMessage("a URI with an empty parameter")
        pairs[_plain(name).lower()] = _plain(value)
    return pairs


@dataclass(frozen=True, slots=True)
class NameAddr:
    """``"display" <uri>;params``: the value of From, To, Contact, Route, Refer-To ..."""

    uri: SipUri
    display: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> NameAddr:
        """Read one value. Raises MalformedMessage."""
        text = text.strip()
        display = ""
        if text.startswith('"'):
            quoted = _QUOTED.match(text)
            if quoted is None or not text.startswith("<", quoted.end()):
                raise MalformedMessage("a display name whose quotes do not end, or no <URI> after it")
            display, text = unquoted(quoted[1]), text[quoted.end() :]
        opened = text.find("<")
        if opened < 0:
            return _without_brackets(text)
        if opened > 0:  # tokens, in the RFC; commas and more, in the field
            display = text[:opened].rstrip()
            if '"' in display or ">" in display:
                raise MalformedMessage("a display name with stray quotes")
        closed = text.find(">", opened)
        if closed < 0:
            raise MalformedMessage("a < without its >")
        params = text[closed + 1 :]
        return NameAddr(
            SipUri.parse(text[opened + 1 : closed]), display, read_params(params) if params else {}
        )

    @staticmethod
    def parse_many(text: str) -> list[NameAddr]:
        """Read a comma-separated list. Raises MalformedMessage."""
        if "," not in text:
            return [NameAddr.parse(text)]
        parts: list[str] = []
        waiting = ""  # "Smith, John <sip:...>" is one value: a part without a URI belongs to the next
        for part in split_commas(text):
            waiting = f"{waiting}, {part}" if waiting else part
            if "<" in waiting or _SCHEME.match(waiting) or waiting == "*":
                parts.append(waiting)
                waiting = ""
        if waiting:
            raise MalformedMessage("a list of addresses with something else in it")
        return [NameAddr.parse(part) for part in parts]

    @property
    def tag(self) -> str:
        """The tag of a From or To, "" without."""
        return self.params.get("tag", "")

    @property
    def is_star(self) -> bool:
        """``Contact: *``: all bindings."""
        return self.uri.scheme == "*"

    def with_tag(self, tag: str) -> NameAddr:
        """The same with that tag."""
        return NameAddr(self.uri, self.display, {**self.params, "tag": tag})

    def __str__(self) -> str:
        if self.is_star:
            return "*"
        display = self.display.replace("\\", "\\\\").replace('"', '\\"')
        return f"{_shown(display)}<{self.uri}>{join_params(self.params)}"


def _shown(display: str) -> str:
    return f'"{display}" ' if display else ""


def _without_brackets(text: str) -> NameAddr:
    """``sip:user@host;tag=1``: what follows the first ``;`` belongs to the header (RFC 3261 20.10)."""
    if text == "*":
        return NameAddr(SipUri("*"))
    address, semicolon, params = text.partition(";")
    if "?" in address or "," in address:
        raise MalformedMessage("a URI with ? or , that is not in <>")
    return NameAddr(SipUri.parse(address.strip()), "", read_params(semicolon + params) if semicolon else {})
