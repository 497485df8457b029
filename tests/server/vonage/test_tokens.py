"""Who is let in: an application's token, once, in time; anything else is 401 with the same body."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from callflow.server.vonage.jwts import Claims, may, named_application, public_key, read_claims
from callflow.state.used_tokens import Use, use_token
from tests.server.vonage.house import APPLICATION, OTHER, House, Keys, other_keys

REFUSED = {"type": "UNAUTHORIZED", "error_title": "Unauthorized"}
WALL = 1_800_000_000.0


def status(house: House, token: str, path: str = "/v1/calls") -> int:
    answer = house.ask("GET", path, token=token)
    assert answer.status_code == 200 or answer.json() == REFUSED, answer.text
    return answer.status_code


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_good_token_is_good_once(vonage: House) -> None:
    token = vonage.token()
    assert [status(vonage, token), status(vonage, token)] == [200, 401]
    assert status(vonage, token, "/v1/files/x") == 401, "used elsewhere, too"
    assert status(vonage, vonage.token()) == 200


def test_tokens_that_are_not_the_applications(vonage: House) -> None:
    stranger = Keys.fresh()
    assert status(vonage, vonage.token(stranger)) == 401
    assert status(vonage, vonage.token(application_id="unknown")) == 401
    assert status(vonage, vonage.token(application_id=None)) == 401
    assert status(vonage, "") == 401
    assert status(vonage, "a.b.c") == 401
    other = other_keys(vonage)
    assert status(vonage, vonage.token(other)) == 401, "the other one's key is for the other one"
    assert status(vonage, vonage.token(other, application_id=OTHER)) == 200, "the private file will do"


def test_a_token_that_says_it_is_signed_otherwise(vonage: House) -> None:
    now = int(time.time())
    claims = {"application_id": APPLICATION, "iat": now, "jti": "j", "exp": now + 60}
    bare = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."
    assert status(vonage, bare) == 401
    head = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    algorithm = jwt.get_algorithm_by_name("HS256")
    secret = vonage.keys.public.encode()  # what a server that believes the header checks with
    signed = base64.urlsafe_b64encode(algorithm.sign(head.encode(), secret)).rstrip(b"=").decode()
    assert status(vonage, f"{head}.{signed}") == 401
    good = vonage.token().split(".")
    assert status(vonage, f"{part({'alg': 'HS256'})}.{good[1]}.{good[2]}") == 401
    assert status(vonage, f"{good[0]}.{part(claims)}.{good[2]}") == 401, "other claims, old signature"


def now_and(**claims: Any) -> dict[str, Any]:
    return {"application_id": APPLICATION, "iat": WALL, "jti": "one", "exp": WALL + 900} | claims


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys.fresh()


def read(keys: Keys, claims: dict[str, Any], wall: float = WALL) -> Claims | None:
    token = jwt.encode({k: v for k, v in claims.items() if v is not None}, keys.private, algorithm="RS256")
    assert named_application(token) == APPLICATION
    key = load_pem_public_key(keys.public.encode())
    return read_claims(token, key, wall)  # type: ignore[arg-type]


def test_the_times_of_a_token(keys: Keys) -> None:
    good = read(keys, now_and())
    assert good is not None and good.expires_wall == WALL + 930 and good.paths is None
    assert read(keys, now_and(), WALL + 929) is not None, "clocks may differ a little"
    assert read(keys, now_and(), WALL + 930) is None
    assert read(keys, now_and(iat=WALL + 29)) is not None
    assert read(keys, now_and(iat=WALL + 31, exp=WALL + 900)) is None
    assert read(keys, now_and(nbf=WALL + 31)) is None
    assert read(keys, now_and(exp=None), WALL + 929) is not None, "15 minutes, if it does not say"
    assert read(keys, now_and(exp=None), WALL + 931) is None
    assert read(keys, now_and(exp=WALL + 86_400)) is not None
    assert read(keys, now_and(exp=WALL + 86_401)) is None, "24 hours at most"
    assert read(keys, now_and(exp=WALL - 1)) is None
    wrongs: tuple[dict[str, Any], ...] = (
        {"iat": None}, {"iat": "1800000000"}, {"iat": True}, {"jti": None}, {"jti": ""}, {"jti": 7},
        {"exp": "soon"}, {"exp": 10**400}, {"nbf": []},
    )  # fmt: skip
    for wrong in wrongs:
        assert read(keys, now_and(**wrong)) is None, wrong


def test_what_a_users_token_may(keys: Keys) -> None:
    paths = {"/*/conversations/**": {}, "/v1/calls": {"methods": ["GET"]}, "/v1/files/*": {"filters": {}}}
    claims = read(keys, now_and(sub="ann", acl={"paths": paths}))
    assert claims is not None
    assert may(claims, "PUT", "/v1/conversations/CON-1/record")
    assert may(claims, "GET", "/v1/calls") and not may(claims, "POST", "/v1/calls")
    assert not may(claims, "GET", "/v1/calls/1")
    assert not may(claims, "GET", "/v1/files/1"), "a condition that nobody here knows"
    for bare in (now_and(sub="ann"), now_and(acl={}), now_and(acl={"paths": []})):
        nothing = read(keys, bare)
        assert nothing is not None and not may(nothing, "GET", "/v1/calls")
    all_of_it = read(keys, now_and())
    assert all_of_it is not None and may(all_of_it, "POST", "/v1/calls")


def test_keys_that_cannot_be_used(tmp_path: Any) -> None:
    path = tmp_path / "key.pem"
    assert public_key(path, None) is None
    path.write_text("no key")
    assert public_key(path, None) is None
    path.write_text(Keys.fresh(1024).public)
    assert public_key(path, None) is None, "too short to be trusted"
    fresh = Keys.fresh()
    path.write_text(fresh.public)
    assert public_key(path, None) is not None, "a file that has changed is read anew"


def test_used_tokens_are_remembered_until_they_expire(vonage: House) -> None:
    def use(owner: str, jti: str, wall: float, most: int = 3) -> Use:
        return vonage.database(
            lambda conn: use_token(conn, owner, jti, expires_wall=wall + 100, wall=wall, most=most)
        )

    # Years ago, so that no token of a test is forgotten by it.
    assert [use("a", "1", 10), use("a", "1", 109), use("b", "1", 10)] == ["first", "again", "first"]
    assert use("a", "1", 111) == "first", "it has expired: its times refuse it"
    assert [use("a", "2", 111), use("a", "3", 111), use("a", "4", 111)] == ["first", "first", "full"]
    assert use("a", "4", 212) == "first"
