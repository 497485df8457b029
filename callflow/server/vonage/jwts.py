"""Layer 6: an application's token (JWT, RFC 7519) as Vonage's SDKs make it: is it good, and what for?

RS256 only, whatever the token says of itself. Times are read by the server's clock, which is why PyJWT checks
the signature alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.types import Options

ALGORITHM = "RS256"
LEEWAY_S = 30.0
"""So much the clocks of two machines may differ."""
USUAL_LIFE_S = 900.0
"""Of a token that does not say when it ends."""
LONGEST_LIFE_S = 86_400.0
MOST_TOKEN = 8192
MOST_KEY_BYTES = 16_384
LEAST_KEY_BITS = 2048


_SIGNATURE_ALONE: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says. ``jti``: a digest of it; ``expires_wall``: from when on it is good no more.
    ``paths``: patterns of what it may ask for, None: everything.
    """

    application_id: str
    jti: str
    expires_wall: float
    paths: Mapping[str, Any] | None = None


def named_application(token: str) -> str:
    """The application that a token says it is of, unproven; empty: it is no token that can be good."""
    if not token or len(token) > MOST_TOKEN:
        return ""
    try:
        if jwt.get_unverified_header(token).get("alg") != ALGORITHM:
            return ""
        payload = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    found = payload.get("application_id")
    return found if isinstance(found, str) else ""


def read_claims(token: str, key: RSAPublicKey, wall: float) -> Claims | None:
    """What the token says, if ``key`` has signed it and it is good at ``wall``; None: it is not."""
    try:
        payload = jwt.decode(token, key, algorithms=[ALGORITHM], options=_SIGNATURE_ALONE)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    issued, jti = _number(payload.get("iat")), payload.get("jti")
    if issued is None or not isinstance(jti, str) or not jti:
        return None
    expires = _number(payload["exp"]) if "exp" in payload else issued + USUAL_LIFE_S
    begins = _number(payload["nbf"]) if "nbf" in payload else issued
    if expires is None or begins is None or not 0 < expires - issued <= LONGEST_LIFE_S:
        return None
    if max(issued, begins) > wall + LEEWAY_S or expires + LEEWAY_S <= wall:
        return None
    acl = payload.get("acl")
    paths = acl.get("paths") if isinstance(acl, dict) else None
    if "sub" in payload or acl is not None:  # for a user's own device: only what its list names
        paths = paths if isinstance(paths, dict) else {}
    digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest()
    return Claims(str(payload.get("application_id")), digest, expires + LEEWAY_S, paths)


def may(claims: Claims, method: str, path: str) -> bool:
    """Whether the token may ask for that: ``acl.paths`` has patterns in which ``*`` is one part of a path and
    ``**`` any, each with ``{"methods": [...]}`` perhaps. Conditions of other kinds are not met.
    """
    if claims.paths is None:
        return True
    for pattern, rule in claims.paths.items():
        rules = rule if isinstance(rule, dict) else {}
        methods = rules.get("methods", [method])
        fits = isinstance(methods, list) and method in methods
        if fits and not rules.keys() - {"methods"} and _matches(pattern.split("/"), path.split("/")):
            return True
    return False


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Without recursion: a pattern comes from a token."""
    text = "/".join("(?:[^/]+)" if part == "*" else "(?:.*)" if part == "**" else re.escape(part)
                    for part in pattern[:20])  # fmt: skip
    return len(pattern) <= 20 and pattern.count("**") <= 2 and re.fullmatch(text, "/".join(path)) is not None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


# ---- keys ----------------------------------------------------------------------------------------


def public_key(public: Path | None, private: Path | None) -> RSAPublicKey | None:
    """The key that checks an application's tokens: of the public file, or of the private one; None: there is
    none that can be used. Blocks.
    """
    for path in (public, private):
        if path is None:
            continue
        try:
            facts = path.stat()
        except OSError:
            continue
        found = _load(path, path is private, facts.st_mtime_ns, facts.st_size)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=512)
def _load(path: Path, is_private: bool, changed_ns: int, size: int) -> RSAPublicKey | None:
    """``changed_ns`` and ``size``: a file that is another is read anew."""
    if size > MOST_KEY_BYTES:
        return None
    try:
        pem = path.read_bytes()
        key = load_pem_private_key(pem, None).public_key() if is_private else load_pem_public_key(pem)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_KEY_BITS else None
