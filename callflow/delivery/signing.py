"""Layer 2: signed webhooks: a token that says who sends a message, and that it is this one (ncco.md 3.8).

``Authorization: Bearer`` and a JSON Web Token (RFC 7519), HS256 with the application's secret. Its claims:
``iat`` (seconds), ``jti`` (used once), ``iss``, ``payload_hash`` (SHA-256 of the body, hex), ``api_key``,
``application_id``. A token is made for one attempt: the next has another.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from callflow.errors import BadSignature

ISSUER = "Vonage"
"""What receivers written for that service expect there."""
MAX_AGE_S = 300
"""A token older than this is refused unless the caller of ``verify`` says otherwise."""
LEEWAY_S = 30
_SHORT = 32


def sign(
    body: bytes, secret: str, *, jti: str, now: float, api_key: str = "", application_id: str = ""
) -> str:
    """A token for ``body``, as it is sent (empty for ``GET``). ``now``: seconds since 1970."""
    import jwt  # what signs nothing starts without it (``ahead``)

    claims: dict[str, Any] = {
        "iat": int(now),
        "jti": jti,
        "iss": ISSUER,
        "payload_hash": hashlib.sha256(body).hexdigest(),
    }
    named = {"api_key": api_key, "application_id": application_id}
    claims.update({name: value for name, value in named.items() if value})
    return jwt.encode(claims, _key(secret), algorithm="HS256")


def verify(
    body: bytes, token: str, secret: str, *, now: float, max_age_s: float = MAX_AGE_S
) -> Mapping[str, Any]:
    """The claims of ``token`` (with or without ``Bearer``), if it was signed with ``secret``, is not older
    than ``max_age_s`` (0: any age) and belongs to ``body``. Raises BadSignature.
    """
    import jwt

    bare = token.strip().removeprefix("Bearer ").removeprefix("bearer ").strip()
    try:
        claims: dict[str, Any] = jwt.decode(
            bare, _key(secret), algorithms=["HS256"], options={"verify_iat": False, "verify_exp": False}
        )
    except jwt.InvalidSignatureError as error:
        raise BadSignature("the token was not signed with this secret", hint=_SECRET_HINT) from error
    except jwt.InvalidAlgorithmError as error:
        raise BadSignature("the token is not signed with HS256", hint=_TOKEN_HINT) from error
    except jwt.PyJWTError as error:
        raise BadSignature(f"this is no token: {error}", hint=_TOKEN_HINT) from error
    _check_age(claims.get("iat"), now, max_age_s)
    said = claims.get("payload_hash")
    found = hashlib.sha256(body).hexdigest()
    if not isinstance(said, str) or not hmac.compare_digest(said.lower(), found):
        raise BadSignature(
            "the body is not the one that was signed: payload_hash is another",
            hint="Hash the bytes as they came, before any JSON is read and written anew.",
        )
    return claims


def _key(secret: str) -> bytes:
    """HMAC fills a short key up with zeros itself (RFC 2104 2), so this changes no signature; done here,
    nobody is warned of a short secret at every message.
    """
    return secret.encode().ljust(_SHORT, b"\0")


def _check_age(iat: object, now: float, max_age_s: float) -> None:
    if not isinstance(iat, int | float) or isinstance(iat, bool):
        raise BadSignature("the token does not say when it was made (iat)", hint=_TOKEN_HINT)
    age = now - iat
    if age < -LEEWAY_S:
        raise BadSignature(
            f"the token was made {-age:.0f} s from now", hint="Is the clock of this machine right?"
        )
    if max_age_s and age > max_age_s + LEEWAY_S:
        raise BadSignature(
            f"the token is {age:.0f} s old, more than {max_age_s:.0f}",
            hint="A message that is sent again has a new token; an old one may be a replay.",
        )


_SECRET_HINT = "The secret is signature_secret of the application."
_TOKEN_HINT = "Give what follows Bearer in the Authorization header."
