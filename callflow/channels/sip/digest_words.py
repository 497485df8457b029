"""Layer 2: the words of digest authentication: its headers, and its sums (RFC 7616 3.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

MAX_HEADER = 4096
"""Longer headers are not read."""

MAX_PARAMETERS = 32

_SPACE = " \t\r\n"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


HASHES: Mapping[str, Callable[[str], str]] = {"SHA-256": _sha256, "MD5": _md5}
"""What we can do, the best first (RFC 8760 2.4)."""


def read_digest(value: str) -> dict[str, str] | None:
    """The parameters of ``Digest name=value, name="value" ...``, names in small letters; None: it is none, or
    is too long, or says something twice. Reads each character once.
    """
    scheme, _, rest = value.strip().partition(" ")
    if len(value) > MAX_HEADER or scheme.lower() != "digest":
        return None
    found: dict[str, str] = {}
    at = 0
    while at < len(rest):
        if rest[at] in _SPACE or rest[at] == ",":
            at += 1
            continue
        equals = rest.find("=", at)
        name = rest[at:equals].strip().lower() if equals > 0 else ""
        if not name or name in found or len(found) == MAX_PARAMETERS:
            return None
        said = _value(rest, equals + 1)
        if said is None:
            return None
        found[name], at = said
    return found


def _value(text: str, at: int) -> tuple[str, int] | None:
    """A token or quoted string from ``at`` on, and where it ends."""
    while at < len(text) and text[at] in _SPACE:
        at += 1
    if at == len(text) or text[at] != '"':
        comma = text.find(",", at)
        end = len(text) if comma < 0 else comma
        return text[at:end].strip(), end
    letters: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
        letters.append(text[at : at + 1])
        at += 1
    return ("".join(letters), at + 1) if at < len(text) else None


def quoted(text: str) -> str:
    """``text`` as a quoted string (RFC 3261 25.1), without what cannot stand in one."""
    flat = "".join(c for c in text if c.isprintable())
    return '"' + flat.replace("\\", "\\\\").replace('"', '\\"') + '"'


def digest_response(said: Mapping[str, str], password: str, method: str) -> str | None:
    """The ``response`` that goes with the parameters ``said`` (of an Authorization header); None: its
    algorithm or quality is not known here. ``-sess`` is.
    """
    algorithm = said.get("algorithm", "MD5").upper()
    sum_of = HASHES.get(algorithm.removesuffix("-SESS"))
    quality = said.get("qop", "")
    if sum_of is None or quality.lower() not in ("", "auth"):
        return None
    nonce = said.get("nonce", "")
    a1 = sum_of(f"{said.get('username', '')}:{said.get('realm', '')}:{password}")
    if algorithm.endswith("-SESS"):
        a1 = sum_of(f"{a1}:{nonce}:{said.get('cnonce', '')}")
    a2 = sum_of(f"{method}:{said.get('uri', '')}")
    if not quality:
        return sum_of(f"{a1}:{nonce}:{a2}")
    return sum_of(f"{a1}:{nonce}:{said.get('nc', '')}:{said.get('cnonce', '')}:{quality}:{a2}")
