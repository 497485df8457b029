"""Layer 2: digest authentication, the client's side (RFC 7616, 8760, 2617): answers to 401 and 407."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.digest_words import HASHES, digest_response, quoted, read_digest
from callflow.channels.sip.message import Response

MAX_ROUNDS = 3
"""Challenges that are answered one after the other before a server counts as never satisfied."""

_HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


@dataclass(slots=True)
class _Challenge:
    """One server's latest challenge. ``count``: answers given with its nonce."""

    header: str
    realm: str
    nonce: str
    algorithm: str
    qop: str
    opaque: str | None
    stale: bool
    count: int = 0
    rounds: int = 1


class DigestAnswers:
    """Answers challenges to one request and to those that follow it in its dialog. One for each dialog or
    registration; not shared.

    ``cnonce``: makes a fresh client nonce (for a repeatable run); None: random.
    """

    def __init__(self, credentials: Credentials | None, *, cnonce: Callable[[], str] | None = None) -> None:
        self._credentials = credentials
        self._cnonce = cnonce or (lambda: secrets.token_hex(8))
        self._taken: dict[tuple[str, str], _Challenge] = {}

    def answer(self, response: Response) -> bool:
        """Take in a 401 or 407. True: send the request again (new CSeq) with ``headers``; False: there is
        nothing (more) to answer it with: no credentials, another realm, or they were refused before.
        """
        if self._credentials is None or response.status not in _HEADERS:
            return False
        asks, answers = _HEADERS[response.status]
        taken = False
        seen: set[str] = set()
        for value in response.headers.all(asks):
            challenge = _read_challenge(value, answers)
            if challenge is None or challenge.realm in seen:
                continue  # RFC 8760 2.4: the topmost of a realm that we can do
            seen.add(challenge.realm)
            taken = self._take(challenge) or taken
        return taken

    def _take(self, challenge: _Challenge) -> bool:
        wanted = self._credentials.realm if self._credentials else ""
        if wanted and wanted.lower() != challenge.realm.lower():
            return False
        key = (challenge.header, challenge.realm)
        before = self._taken.get(key)
        if before is not None and before.count:
            # A nonce that was good for a request before has run out; one that never was says: wrong password.
            was_good = before.count > 1
            if not (challenge.stale or was_good):
                return False
            challenge.rounds = 1 if was_good else before.rounds + 1
        self._taken[key] = challenge
        return challenge.rounds <= MAX_ROUNDS

    def headers(self, method: str, uri: str) -> list[tuple[str, str]]:
        """``Authorization`` and ``Proxy-Authorization`` of a request, for the challenges so far; each call
        counts the nonce up. ``uri``: as in the request line.
        """
        if self._credentials is None:
            return []
        return [
            (challenge.header, _answer(challenge, self._credentials, method, uri, self._cnonce))
            for challenge in self._taken.values()
        ]


def _read_challenge(value: str, header: str) -> _Challenge | None:
    """A challenge that we can answer, or None."""
    said = read_digest(value)
    if said is None or "nonce" not in said:
        return None
    algorithm = said.get("algorithm", "MD5")
    qualities = [quality.strip().lower() for quality in said.get("qop", "").split(",") if quality.strip()]
    if algorithm.upper().removesuffix("-SESS") not in HASHES or (qualities and "auth" not in qualities):
        return None
    return _Challenge(
        header=header,
        realm=said.get("realm", ""),
        nonce=said["nonce"],
        algorithm=said.get("algorithm", ""),
        qop="auth" if qualities else "",
        opaque=said.get("opaque"),
        stale=said.get("stale", "").lower() == "true",
    )


def _answer(
    challenge: _Challenge, credentials: Credentials, method: str, uri: str, cnonce: Callable[[], str]
) -> str:
    challenge.count += 1
    said = {
        "username": credentials.username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
    }
    if challenge.algorithm:
        said["algorithm"] = challenge.algorithm
    if challenge.qop:
        said |= {"qop": challenge.qop, "nc": f"{challenge.count:08x}"}
    if challenge.qop or challenge.algorithm.upper().endswith("-SESS"):
        said["cnonce"] = cnonce()
    said["response"] = digest_response(said, credentials.password, method) or ""
    if challenge.opaque is not None:
        said["opaque"] = challenge.opaque
    return _written(said)


def _written(said: dict[str, str]) -> str:
    bare: Sequence[str] = ("algorithm", "qop", "nc")  # RFC 7616 3.4: not in quotes
    parts = (f"{name}={value if name in bare else quoted(value)}" for name, value in said.items())
    return "Digest " + ", ".join(parts)
