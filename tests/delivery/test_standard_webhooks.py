"""Layer 2: Standard Webhooks: the standard's own example, rotation, files, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from callflow.delivery.standard_webhooks import Check, key_of, sign
from callflow.errors import BadSignature, SettingsError

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()
DIGEST = "sha-256=:" + base64.b64encode(hashlib.sha256(b"RIFF....").digest()).decode() + ":"
NOW = 1_700_000_000.7


def check(headers: dict[str, str], body: bytes, *secrets: str, now: float = NOW) -> Check:
    found = Check(headers, secrets, now)
    for byte in body:
        found.update(bytes([byte]))
    found.end()
    return found


def test_the_example_of_the_standards_libraries() -> None:
    headers = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        [b'{"test": 2432232314}'],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_both_secrets_sign_while_one_is_replaced() -> None:
    headers = sign([OLD, NEW], "m", NOW, [b"bo", b"dy"])
    assert [part[:3] for part in headers["webhook-signature"].split()] == ["v1,", "v1,"]
    for held in ((OLD,), (NEW,), (NEW, OLD)):
        check({name.title(): value for name, value in headers.items()}, b"body", *held)


def test_a_file_is_known_before_it_is_read() -> None:
    headers = {**sign([NEW], "m", NOW, [b"RIFF", b"...."], DIGEST), "Content-Digest": DIGEST}
    key, signed = b"n" * 24, f"m.{int(NOW)}.{DIGEST}".encode()
    mine = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert f"d1,{mine}" in headers["webhook-signature"].split()
    assert check(headers, b"RIFF....", NEW).by_digest
    with pytest.raises(BadSignature, match="digest that was signed"):
        check(headers, b"RIFF....!", NEW)
    with pytest.raises(BadSignature, match="Content-Digest"):
        Check({**headers, "Content-Digest": DIGEST.replace("=:", "=:A")}, [NEW], NOW)
    v1_only = {**headers, "webhook-signature": headers["webhook-signature"].split()[0]}
    assert not check(v1_only, b"RIFF....", NEW).by_digest


def test_refused() -> None:
    good = sign([NEW], "m", NOW, [b"body"])
    cases: list[tuple[dict[str, str], bytes, str, float, str]] = [
        (good, b"bodi", NEW, NOW, "fits its body"),
        (good, b"body", OLD, NOW, "fits its body"),
        (good, b"body", NEW, NOW + 301, "302 s old"),
        (good, b"body", NEW, NOW - 400, "ahead"),
        ({**good, "webhook-id": "other"}, b"body", NEW, NOW, "fits its body"),
        ({**good, "webhook-timestamp": str(int(NOW) + 1)}, b"body", NEW, NOW, "fits its body"),
        ({**good, "webhook-timestamp": "soon"}, b"body", NEW, NOW, "no number"),
        ({**good, "webhook-signature": "v2,AAAA v1,???"}, b"body", NEW, NOW, "known here"),
        ({"webhook-id": "m"}, b"body", NEW, NOW, "no webhook-timestamp and no webhook-signature"),
    ]
    for headers, body, secret, now, words in cases:
        with pytest.raises(BadSignature, match=words):
            check(headers, body, secret, now=now)
    Check(good, [NEW], NOW + 9e6, 0)


@pytest.mark.parametrize("secret", ["hush", "whsec_", "whsec_aHVzaA==", "whsec_%%%", "x" * 40])
def test_a_secret_that_is_none_is_not_shown(secret: str) -> None:
    with pytest.raises(SettingsError) as caught:
        key_of(secret)
    assert "hush" not in str(caught.value) + caught.value.hint and "aHVz" not in str(caught.value)
