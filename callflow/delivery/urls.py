"""Layer 2: where a recording is sent to: from the url that a document gives to the one on the wire.

The url goes out byte for byte as it is built here. The rules are DESIGN section 5 and the table of
kazoo.md 1.10: ``URL/call_recording_CALL_ID.EXT``, or within the query of a url that has one.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from callflow.errors import BadUrl
from callflow.log import mask_url, one_line

METADATA = (
    "from",
    "to",
    "caller_id_name",
    "caller_id_number",
    "call_id",
    "cdr_id",
    "interaction_id",
    "owner_id",
    "account_id",
    "start",
    "duration_ms",
    "recording_id",
)
"""Kazoo's extra query parameters in its order (kazoo.md 1.10); only with ``call_recording.url_metadata``."""

_SHORTEST = 2
"""A value of one or two characters is no secret, and would be found everywhere."""

_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNFIT = re.compile(r"[\x00-\x20\x7f]")
_NUMBER_LIKE = re.compile(r"(?i)(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}\.?")


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """A url taken apart: ``url`` is what goes on the wire, without the raw ``userinfo`` (user:password)."""

    url: str
    scheme: str
    host: str
    port: int
    userinfo: str

    @property
    def whole(self) -> str:
        """The url with its user and password."""
        return self.url.replace("://", f"://{self.userinfo}@", 1) if self.userinfo else self.url

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password, decoded."""
        if not self.userinfo:
            return None
        user, _, password = self.userinfo.partition(":")
        return unquote(user), unquote(password)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials belong to (RFC 6454)."""
        return (self.scheme, self.host, self.port)

    @property
    def name(self) -> str:
        """``host:port`` for messages: no secrets in it."""
        return f"{self.host}:{self.port}"


def check_url(url: str) -> None:
    """Raises BadUrl for a url that no recording could be sent to; names are not resolved."""
    parse_url(url)


def parse_url(url: str) -> HttpUrl:
    """Take an http(s) url apart, percent-encoding what may not go on the wire as it is. Raises BadUrl."""
    if _UNFIT.search(url):
        raise _bad(url, "it has a space or control character in it", "write %20 for a space")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError:  # its text may hold what was meant as a password
        hint = "write http://host:port/path, and %2F, %3F, %23 for / ? # in a password"
        raise _bad(url, "its host or port cannot be read", hint) from None
    if parts.scheme not in ("http", "https"):
        found = f"{parts.scheme}:// is not supported" if "://" in url else "it has no scheme"
        raise _bad(url, found, "write a url that begins with http:// or https://")
    if "\\" in parts.netloc:
        raise _bad(url, "it has a backslash, which programs read in different ways", "write /")
    if not host:
        raise _bad(url, "it has no host", "write http://host:port/path")
    if port == 0:
        raise _bad(url, "port 0 cannot be connected to", "write a port of 1 to 65535, or none")
    if "#" in url:
        raise _bad(
            url, "it has a fragment (#...), which is never sent to a server", "remove it, or write %23"
        )
    host = _host(url, host)
    shown = f"[{host}]" if ":" in host else host
    usual = 443 if parts.scheme == "https" else 80
    netloc = shown if port in (None, usual) else f"{shown}:{port}"
    wire = SplitResult(parts.scheme, netloc, _encode(parts.path or "/"), _encode(parts.query, "?"), "")
    return HttpUrl(
        urlunsplit(wire),
        parts.scheme,
        host,
        port or usual,
        _encode(parts.netloc.rpartition("@")[0]),
    )


def upload_urls(base_url: str, call_id: str, extension: str) -> Iterator[str]:
    """The urls a recording may go to, best first: the documented one, then ``-2``, ``-3`` ... without end.

    Raises BadUrl (at the first ``next``).
    """
    base = parse_url(base_url).whole
    name = f"call_recording_{quote(call_id, safe='', errors='replace')}"
    for number in itertools.count(1):
        suffix = "" if number == 1 else f"-{number}"
        yield with_name(base, f"{name}{suffix}.{extension}")


def add_metadata(url: str, facts: Mapping[str, Any]) -> str:
    """``url`` with Kazoo's query parameters; a fact that is not there gives an empty value. They are
    added when the file is sent: the duration is known then, and no query makes a taken name free.
    """
    pairs = "&".join(f"{key}={quote(_text(facts.get(key)), safe='', errors='replace')}" for key in METADATA)
    return f"{url}{'&' if '?' in url else '?'}{pairs}"


def without_secrets(answer: bytes, url: str) -> bytes:
    """What a receiver answered, without what it repeats of ``url`` that must not be shown: its password and
    the values of its query, as they are sent and decoded.
    """
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    values = [userinfo.partition(":")[2], *(part.partition("=")[2] for part in parts.query.split("&"))]
    secrets = {text for value in values for text in (value, unquote(value)) if len(text) > _SHORTEST}
    if userinfo:
        secrets.add(base64.b64encode(unquote(userinfo).encode()).decode())
    for secret in sorted(secrets, key=len, reverse=True):
        answer = answer.replace(secret.encode(), b"***")
    return answer


def with_name(base: str, name: str) -> str:
    """The table of kazoo.md 1.10."""
    before, _, query = base.partition("?")
    if not query:
        return f"{before.rstrip('/')}/{name}"
    query = query.rstrip("&")
    last = query.rpartition("&")[2]
    key, equals, value = last.partition("=")
    if value or not key:
        return f"{before}?{query}&recording={name}" if query else f"{before}?recording={name}"
    return f"{before}?{query}{'' if equals else '='}{name}"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _encode(text: str, also: str = "") -> str:
    """Percent-encode what RFC 3986 does not allow in a path or query; what is encoded stays as it is."""
    fixed = _BARE_PERCENT.sub("%25", text)
    return quote(fixed, safe=f"/%:@!$&'()*+,;=~-._{also}", errors="replace")


def _host(url: str, host: str) -> str:
    """The host in ASCII. Raises BadUrl for what is neither a name nor an address."""
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise _bad(url, "its IPv6 address cannot be read", "write http://[2001:db8::1]:8080/") from error
    if _NUMBER_LIKE.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            hint = "write four numbers of 0 to 255, such as 192.0.2.1"
            raise _bad(url, "its host is a number, but no IPv4 address", hint) from error
    try:
        name = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError as error:
        raise _bad(url, "its host name cannot be written in ASCII", "write its xn-- form") from error
    if not re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", name) or len(name) > 253:
        raise _bad(url, "its host is not a host name", "write http://host:port/path")
    return name


def _bad(url: str, what: str, hint: str) -> BadUrl:
    return BadUrl(f"the url {one_line(mask_url(url), 200)!r} cannot be used: {what}", hint=hint)
