"""Layer 1: how requests are sent to a host: ``hosts`` of system_config's delivery, and of an account's.

A key of ``hosts`` is ``example.com:8443``, ``example.com``, ``*.example.com`` or ``*``. All that fit count:
the more exact one wins key by key, and the account's lie over the system's. What decides where packets go
(the proxy) is the operator's alone. Nothing is revealed here: a ``HostRule`` holds where secrets stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from callflow.documents import schemas
from callflow.documents.judging import fault
from callflow.documents.secrets import is_secret, problem_of
from callflow.errors import SettingsError

_HOST = re.compile(r"\*|(\*\.)?([a-z0-9_-]+\.)*[a-z0-9_-]+\.?(:[0-9]{1,5})?|\[[0-9a-f:.]+\](:[0-9]{1,5})?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")
_SECRET = re.compile(r"authorization|cookie|token|secret|password|key|credential", re.IGNORECASE)
OWN = frozenset(
    {
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "content-type",
        "content-digest",
        "idempotency-key",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "proxy-authorization",
        "te",
        "upgrade",
        "expect",
        "trailer",
    }
)
"""Headers that are made here, for each request."""
_AUTHENTICATION = ("bearer", "username", "password")
_SECRETS = frozenset({"bearer", "password", "certificate_password", "proxy_password"})
NOWHERE = "secret:written-into-the-document"
"""Stands for a secret that a document holds itself: ``reveal`` refuses it."""
_NETWORK = ("proxy", "proxy_username", "proxy_password", "proxy_resolves", "parallel")


@dataclass(frozen=True, slots=True)
class HostRule:
    """What holds for requests to one host: see ``schemas/delivery_host.json`` for each field."""

    headers: Mapping[str, str] = field(default_factory=dict)
    bearer: str = ""
    username: str = ""
    password: str = ""
    certificate: str = ""
    certificate_key: str = ""
    certificate_password: str = ""
    ca: str = ""
    signing: tuple[str, ...] = ()
    upload: str = "plain"
    proxy: str = ""
    proxy_username: str = ""
    proxy_password: str = ""
    proxy_resolves: bool = False
    parallel: int = 0


_FIELDS = frozenset(item.name for item in fields(HostRule))
PLAIN = HostRule()


def rule_for(host: str, port: int, system: Mapping[str, Any], account: Mapping[str, Any]) -> HostRule:
    """The rule for ``host`` (in small letters) and ``port``. ``system``: ``delivery.hosts``; ``account``: the
    ``delivery`` of its document, as it is written. Raises SettingsError for one that cannot be used.
    """
    own = account.get("hosts")
    if not system and not own:
        return PLAIN
    found: dict[str, Any] = {}
    for part in _fitting(host, port, system):
        _lay(found, part)
    for part in _fitting(host, port, own if isinstance(own, Mapping) else {}):
        why = fault(part, schemas.load("delivery_host"))
        if why:
            raise SettingsError(f"the account's delivery.hosts for {host} {why}", hint=_HINT)
        _lay(found, {key: value for key, value in part.items() if key not in _NETWORK})
    for _, said, hint in _headers(found.get("headers", {})):
        raise SettingsError(f"delivery.hosts for {host}: {said}", hint=hint)
    return HostRule(**{**found, "signing": tuple(found.get("signing", ()))}) if found else PLAIN


def without_literals(delivery: Mapping[str, Any]) -> dict[str, Any]:
    """``delivery`` of an account's document as it may be kept: a secret that is written into it is not there
    any more, and using it fails.
    """
    hosts = delivery.get("hosts")
    parts = hosts.items() if isinstance(hosts, Mapping) else ()
    return {
        **{key: value for key, value in delivery.items() if key != "hosts"},
        "hosts": {name: _kept(part) for name, part in parts if isinstance(part, Mapping)},
    }


def _kept(part: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        key: NOWHERE if key in _SECRETS and not is_secret(value) else value for key, value in part.items()
    }
    headers = part.get("headers")
    if isinstance(headers, Mapping):
        kept["headers"] = {
            key: NOWHERE if _SECRET.search(key) and not is_secret(value) else value
            for key, value in headers.items()
        }
    signing = part.get("signing")
    if isinstance(signing, list):
        kept["signing"] = [one if is_secret(one) else NOWHERE for one in signing]
    return kept


def problems(hosts: object) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What a schema cannot say of ``hosts``: where (keys from ``hosts`` down), what, and what to do."""
    for name, part in hosts.items() if isinstance(hosts, Mapping) else ():
        if not _HOST.fullmatch(name):
            yield (name,), f'"{name}" is no host', "write example.com, example.com:8443, *.example.com or *"
        if not isinstance(part, Mapping):
            continue
        if "bearer" in part and ("username" in part or "password" in part):
            yield (name, "bearer"), "bearer and username go into the same header", "leave one of them out"
        headers = part.get("headers")
        for key, said, hint in _headers(headers if isinstance(headers, Mapping) else {}):
            yield (name, "headers", key), said, hint
        for key in sorted(_SECRETS):
            if isinstance(part.get(key), str) and (said := problem_of(part[key])):
                yield (name, key), said, _HINT


def _headers(headers: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, value in headers.items():
        text = value if isinstance(value, str) else ""
        if not _NAME.fullmatch(key):
            yield key, f'"{key}" is no name of a header', "letters, digits and -"
        elif key.lower() in OWN:
            yield key, f"the header {key} is made for each request and cannot be set", "leave it out"
        elif _UNFIT.search(text):
            yield key, f"the header {key} holds a control character", "write it on one line"
        elif is_secret(value) and problem_of(text):
            yield key, f"the header {key}: {problem_of(text)}", _HINT
        elif _SECRET.search(key) and not is_secret(value):
            said = f"the header {key} looks like a secret that is written into the document"
            yield key, said, _HINT


def _fitting(host: str, port: int, hosts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries that fit, the most general first."""
    found = []
    for name, part in hosts.items():
        rank = _rank(name, host, port)
        if rank and isinstance(part, Mapping):
            found.append((rank, part))
    return [part for _, part in sorted(found, key=lambda pair: pair[0])]


def _rank(name: str, host: str, port: int) -> int:
    """How exactly ``name`` says this host; 0: it says another."""
    bare, plain = name.strip().lower().rstrip("."), host.strip("[]").rstrip(".")
    if bare == "*":
        return 1
    if bare.startswith("*."):
        return len(bare) if plain.endswith(bare[1:]) else 0
    shown = f"[{plain}]" if ":" in plain else plain
    if bare == f"{shown}:{port}":
        return 100_001
    return 100_000 if bare == shown else 0


def _lay(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    if any(key in over for key in _AUTHENTICATION):
        for key in _AUTHENTICATION:
            under.pop(key, None)
    for key, value in over.items():
        if key == "headers":
            gone = {name.lower() for name in value}
            kept = {n: v for n, v in under.get("headers", {}).items() if n.lower() not in gone}
            under["headers"] = {**kept, **value}
        elif key in _FIELDS:
            under[key] = value


_HINT = "Name where the secret stands: secret:env:NAME or secret:file:PATH."
