"""Layer 2: signatures of what is sent, as Standard Webhooks says (standardwebhooks.com, version 1.0.0).

Three headers: ``webhook-id`` (the same at every attempt), ``webhook-timestamp`` (whole seconds since 1970,
of this attempt) and ``webhook-signature``: one or more signatures, separated by spaces, each ``NAME,BASE64``
of an HMAC-SHA256. What is signed, with ``.`` between:

    v1    ID.TIMESTAMP.BODY            every byte of the body, as the standard says
    d1    ID.TIMESTAMP.CONTENT-DIGEST  that header's value as it is sent (RFC 9530): ours, for files

With ``d1`` a receiver knows before it reads a large file that it comes from who holds the secret, and
compares the digest while the file streams; a library of the standard passes over it and checks ``v1``. The
key is what follows ``whsec_`` in the secret, base64. While a secret is being replaced, two are used: each
signs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence

from callflow.errors import BadSignature, SettingsError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
MAX_AGE_S = 300
"""A message whose time is further from now is refused, unless another limit is given."""
_SHORTEST, _LONGEST = 24, 64  # bytes of a key, as the standard says
_MOST = 16  # signatures of one message that are looked at


def key_of(secret: str) -> bytes:
    """The key in ``whsec_BASE64``. Raises SettingsError, which never shows the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise SettingsError(
            "a signing secret is not whsec_ and 24 to 64 bytes as base64",
            hint='make one: python -c "import base64, os; '
            "print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"",
        )
    return key


def sign(
    secrets: Sequence[str], id: str, wall: float, body: Iterable[bytes], digest: str = ""
) -> dict[str, str]:
    """The three headers for one attempt at ``wall`` seconds since 1970. ``body``: in pieces, each read once.
    ``digest``: the Content-Digest header that goes with it, of a file. Raises SettingsError.
    """
    keys = [key_of(secret) for secret in secrets]
    began = f"{id}.{int(wall)}.".encode()
    running = [hmac.new(key, began, hashlib.sha256) for key in keys]
    for piece in body:
        for one in running:
            one.update(piece)
    signatures = [f"v1,{_text(one.digest())}" for one in running]
    if digest:
        signatures += [f"d1,{_text(_hmac(key, began + digest.encode()))}" for key in keys]
    return {ID: id, TIMESTAMP: str(int(wall)), SIGNATURE: " ".join(signatures)}


class Check:
    """Checks one message while it comes: made of its headers, then ``update`` with each piece of the body,
    then ``end``. ``secrets``: one that fits is enough. ``max_age_s`` 0: any age.

    Raises BadSignature: at once for headers that are missing, too old, or whose ``d1`` does not fit.
    """

    def __init__(
        self, headers: Mapping[str, str], secrets: Sequence[str], now: float, max_age_s: float = MAX_AGE_S
    ) -> None:
        said = {name.lower(): value for name, value in headers.items()}
        missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not said.get(name)]
        if missing:
            raise BadSignature(f"not signed: there is no {' and no '.join(missing)}", hint=_SENDER)
        self.id = said[ID]
        self.timestamp = _seconds(said[TIMESTAMP], now, max_age_s)
        self._keys = [key_of(secret) for secret in secrets]
        self._given = _signatures(said[SIGNATURE])
        began = f"{self.id}.{said[TIMESTAMP]}.".encode()
        self._running = [hmac.new(key, began, hashlib.sha256) for key in self._keys]
        self._body = hashlib.sha256()
        self._digest = said.get("content-digest", "")
        self.by_digest = False
        if self._given["d1"]:
            made = [_hmac(key, began + self._digest.encode()) for key in self._keys]
            self.by_digest = self._fits("d1", made)
            if not self.by_digest:
                raise BadSignature("none of its d1 signatures fits its Content-Digest", hint=_SECRET)
        elif not self._given["v1"]:
            raise BadSignature("webhook-signature has no signature that is known here (v1, d1)", hint=_SENDER)

    def update(self, piece: bytes) -> None:
        """The next piece of the body."""
        self._body.update(piece)
        for one in self._running:
            one.update(piece)

    def end(self) -> None:
        """The body is complete. Raises BadSignature if it is not the one that was signed."""
        if self.by_digest:
            found = f"sha-256=:{_text(self._body.digest())}:"
            if found not in [part.strip() for part in self._digest.split(",")]:
                raise BadSignature("the body does not have the digest that was signed", hint=_BODY)
            return
        if not self._fits("v1", [one.digest() for one in self._running]):
            raise BadSignature("none of its v1 signatures fits its body", hint=f"{_SECRET} {_BODY}")

    def _fits(self, name: str, made: Sequence[bytes]) -> bool:
        return any(hmac.compare_digest(a, b) for a in self._given[name] for b in made)


def _seconds(text: str, now: float, max_age_s: float) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadSignature("webhook-timestamp is no number of seconds", hint=_SENDER)
    age = now - int(text)
    if max_age_s and abs(age) > max_age_s:
        side = "old" if age > 0 else "ahead of this clock"
        raise BadSignature(
            f"the message is {abs(age):.0f} s {side}, more than {max_age_s:.0f}",
            hint="Each attempt has a new time: an old one may be a replay. Is this machine's clock right?",
        )
    return int(text)


def _signatures(header: str) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {"v1": [], "d1": []}
    for part in header.split()[:_MOST]:
        name, _, text = part.partition(",")
        if name in found:
            try:
                found[name].append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found


def _hmac(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).digest()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


_SENDER = "Does the sender sign (delivery.hosts ... signing, or the webhook's secrets)?"
_SECRET = "Compare the secret with the sender's."
_BODY = "Check the bytes as they came, before anything reads and writes them anew."
