"""Layer 2: digest authentication, the server's side (RFC 7616, RFC 8760, RFC 2617). No input or output.

A nonce holds its own time, signed with a secret of this process, so that nothing is kept for a caller who
never comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Proof(StrEnum):
    """What an Authorization header is worth."""

    GOOD = "good"
    STALE = "stale"  # the password is right, the nonce is too old or was used: ask again
    WRONG = "wrong"  # wrong password, unknown user, or not an answer to a challenge of ours
    NONE = "none"  # there is no answer to a challenge


@dataclass(frozen=True, slots=True)
class Claim:
    """Who somebody says to be, in an Authorization header."""

    username: str
    realm: str


class DigestServer:
    """Makes challenges and judges the answers. ``lifetime_s``: how long a challenge can be answered."""

    def __init__(self, *, lifetime_s: float, secret: bytes | None = None) -> None:
        raise NotImplementedError

    def challenges(self, realm: str, now: float, *, stale: bool = False) -> tuple[str, ...]:
        """Values for ``WWW-Authenticate`` headers: SHA-256 first, then MD5 (RFC 8760 2.4)."""
        raise NotImplementedError

    def claim(self, authorization: str) -> Claim | None:
        """User name and realm of an Authorization header; None: it is none that can be judged."""
        raise NotImplementedError

    def judge(self, authorization: str, method: str, password: str | None, now: float) -> Proof:
        """Is this the answer of somebody who knows ``password``? None (nobody of that name) takes the same
        steps with a secret that nobody knows.
        """
        raise NotImplementedError
