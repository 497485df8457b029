"""Layer 2: digest authentication, the server's side (RFC 7616, RFC 8760, RFC 2617). No input or output.

A nonce holds its own time and is signed with a secret of this process, for the address that it was given
to. So nothing is kept for a caller who never comes back, and an answer with a nonce of ours proves that its
sender really is at that address.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from callflow.channels.sip.digest_words import HASHES, digest_response, quoted, read_digest

MAX_NONCES = 20_000
"""Nonces whose count is remembered; when there are more, the oldest become stale."""

_TIME = struct.Struct(">q8s")  # microseconds of the clock, randomness
_SIGNATURE = 16
_MAX_NAME = 256


class Proof(StrEnum):
    """What an Authorization header is worth."""

    GOOD = "good"
    STALE = "stale"  # the password is right; the nonce is not ours, too old or used (or: another algorithm)
    WRONG = "wrong"  # wrong password, unknown user, or nothing that can be judged


@dataclass(frozen=True, slots=True)
class Claim:
    """Who somebody says to be, in an Authorization header."""

    username: str
    realm: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """``at_home``: the nonce is one that we gave to this very address."""

    proof: Proof
    at_home: bool


class DigestServer:
    """Makes challenges and judges the answers. ``lifetime_s``: how long a challenge can be answered.
    ``algorithms``: of ``HASHES``, those that are offered and taken, in the order of the headers.
    """

    def __init__(
        self, *, lifetime_s: float, algorithms: Sequence[str] = tuple(HASHES), secret: bytes | None = None
    ) -> None:
        self.lifetime_s = lifetime_s
        self.algorithms = algorithms
        self._secret = secret or secrets.token_bytes(32)
        self._nobody = secrets.token_hex(16)  # the password of users who do not exist
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._stale_before = -1  # nonces from before it are not remembered

    def challenges(self, realm: str, now: float, *, host: str, stale: bool = False) -> tuple[str, ...]:
        """Values for ``WWW-Authenticate`` headers, one for each algorithm (RFC 8760 2.4)."""
        nonce = self._nonce(realm, host, now)
        again = ", stale=true" if stale else ""
        rest = f'Digest realm={quoted(realm)}, nonce="{nonce}", qop="auth"{again}'
        return tuple(f"{rest}, algorithm={name}" for name in self.algorithms)

    def claim(self, authorization: str) -> Claim | None:
        """User name and realm of an Authorization header; None: it is none that can be judged."""
        said = read_digest(authorization)
        if said is None or not {"username", "realm", "nonce", "uri", "response"} <= said.keys():
            return None
        if max(len(said["username"]), len(said["realm"])) > _MAX_NAME:
            return None
        return Claim(said["username"], said["realm"])

    def judge(
        self, authorization: str, method: str, password: str | None, now: float, *, host: str
    ) -> Judgement:
        """Is this the answer of somebody at ``host`` who knows ``password``? None (nobody of that name)
        takes the same steps with a secret that nobody knows. The ``uri`` need not be the request's: proxies
        change that (RFC 3261 22.4).
        """
        said = read_digest(authorization)
        if said is None:
            return Judgement(Proof.WRONG, at_home=False)
        nonce = said.get("nonce", "")
        made_at = self._read_nonce(nonce, said.get("realm", ""), host)
        expected = digest_response(said, self._nobody if password is None else password, method) or ""
        given = said.get("response", "").lower()
        right = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
        if not (right and expected and password is not None):
            return Judgement(Proof.WRONG, at_home=made_at is not None)
        fresh = (
            made_at is not None and now - made_at / 1e6 <= self.lifetime_s and made_at > self._stale_before
        )
        asked = said.get("algorithm", "MD5").upper().removesuffix("-SESS") in self.algorithms
        if not (asked and fresh and self._counts_up(nonce, said)):
            return Judgement(Proof.STALE, at_home=made_at is not None)
        return Judgement(Proof.GOOD, at_home=True)

    # ---- nonces

    def _nonce(self, realm: str, host: str, now: float) -> str:
        body = _TIME.pack(int(now * 1e6), secrets.token_bytes(8))
        return base64.urlsafe_b64encode(body + self._sign(body, realm, host)).decode().rstrip("=")

    def _sign(self, body: bytes, realm: str, host: str) -> bytes:
        about = b"\0".join((body, realm.lower().encode("utf-8", "replace"), host.encode("utf-8", "replace")))
        return hmac.digest(self._secret, about, "sha256")[:_SIGNATURE]

    def _read_nonce(self, nonce: str, realm: str, host: str) -> int | None:
        """When we made it (microseconds); None: we did not, or not for this realm and address."""
        try:
            raw = base64.urlsafe_b64decode(nonce.encode("ascii") + b"==")
        except (ValueError, binascii.Error):
            return None
        body, signature = raw[: _TIME.size], raw[_TIME.size :]
        if len(body) != _TIME.size or not hmac.compare_digest(signature, self._sign(body, realm, host)):
            return None
        made_at: int = _TIME.unpack(body)[0]
        return made_at

    def _counts_up(self, nonce: str, said: dict[str, str]) -> bool:
        """Whether the nonce count is higher than any before (without ``qop``: whether it is new)."""
        try:
            count = int(said.get("nc", ""), 16) if said.get("qop") else 1
        except ValueError:
            return False
        if not self._counts.get(nonce, 0) < count < 1 << 32:
            return False
        self._counts[nonce] = count
        if len(self._counts) > MAX_NONCES:
            oldest, _ = self._counts.popitem(last=False)
            self._stale_before = max(self._stale_before, self._made_at(oldest))
        return True

    def _made_at(self, nonce: str) -> int:
        raw = base64.urlsafe_b64decode(nonce.encode("ascii") + b"==")
        made_at: int = _TIME.unpack(raw[: _TIME.size])[0]
        return made_at
