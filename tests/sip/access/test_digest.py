"""Digest authentication: the vectors of the RFCs, both sides against each other, nonces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.channels.sip import digest
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.digest import DigestServer, Proof
from callflow.channels.sip.digest_client import DigestAnswers
from callflow.channels.sip.digest_words import MAX_HEADER, digest_response, quoted, read_digest
from callflow.channels.sip.message import Response, new_response
from tests.sip.access.support import request

RFC_7616 = {
    "username": "Mufasa",
    "realm": "http-auth@example.org",
    "uri": "/dir/index.html",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
}
RFC_2617 = {
    "username": "Mufasa",
    "realm": "testrealm@host.com",
    "uri": "/dir/index.html",
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "nc": "00000001",
    "cnonce": "0a4f113b",
    "qop": "auth",
}


@pytest.mark.parametrize(
    ("said", "password", "response"),
    [
        ({**RFC_7616, "algorithm": "MD5"}, "Circle of Life", "8ca523f5e9506fed4657c9700eebdbec"),
        (
            {**RFC_7616, "algorithm": "SHA-256"},
            "Circle of Life",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        (RFC_2617, "Circle Of Life", "6629fae49393a05397450978507c4ef1"),
    ],
    ids=["RFC 7616 3.9.1 MD5", "RFC 7616 3.9.1 SHA-256", "RFC 2617 3.5"],
)
def test_the_examples_of_the_rfcs(said: dict[str, str], password: str, response: str) -> None:
    assert digest_response(said, password, "GET") == response


def test_without_quality_and_with_session_keys() -> None:
    """RFC 2069's form, and -sess, worked out by hand from RFC 7616 3.4."""
    from hashlib import md5

    def h(text: str) -> str:
        return md5(text.encode()).hexdigest()

    plain = {key: RFC_2617[key] for key in ("username", "realm", "uri", "nonce")}
    a1, a2 = h("Mufasa:testrealm@host.com:secret"), h("REGISTER:/dir/index.html")
    assert digest_response(plain, "secret", "REGISTER") == h(f"{a1}:{plain['nonce']}:{a2}")
    session = {**RFC_2617, "algorithm": "MD5-sess"}
    own = h(f"{a1}:{plain['nonce']}:0a4f113b")
    expected = h(f"{own}:{plain['nonce']}:00000001:0a4f113b:auth:{a2}")
    assert digest_response(session, "secret", "REGISTER") == expected
    assert digest_response({**RFC_2617, "algorithm": "SHA-512"}, "secret", "GET") is None
    assert digest_response({**RFC_2617, "qop": "auth-int"}, "secret", "GET") is None


def test_a_header_is_read_once_and_within_bounds() -> None:
    said = read_digest('Digest  Username = "a\\"b, c=d" ,realm="", nc=00000001 ,qop=auth,uri="sip:x@y"')
    assert said == {"username": 'a"b, c=d', "realm": "", "nc": "00000001", "qop": "auth", "uri": "sip:x@y"}
    for bad in ("Basic abc", "Digest", 'Digest a="b', "Digest a", "Digest a=1, a=2", "Digest =x"):
        assert not read_digest(bad), bad
    assert read_digest("Digest a=" + "x" * MAX_HEADER) is None
    assert read_digest("Digest " + ",".join(f"a{n}=1" for n in range(33))) is None


@given(st.text(max_size=300))
def test_any_text_is_no_trouble(text: str) -> None:
    server = DigestServer(lifetime_s=60)
    for value in (
        text,
        f"Digest {text}",
        f'Digest username="a", realm="b", nonce="{text}", uri="c", response="d"',
    ):
        server.claim(value)
        assert server.judge(value, "INVITE", "secret", 0.0, host="h").proof is Proof.WRONG
    assert "\n" not in quoted(text) and "\r" not in quoted(text)


# ---- both sides


def _challenge(values: tuple[str, ...], status: int = 401) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return new_response(request(), status, headers=[(name, value) for value in values])


class Pair:
    """A server of ours and a client of ours."""

    def __init__(self, password: str = "secret") -> None:
        self.server = DigestServer(lifetime_s=60)
        self.client = DigestAnswers(Credentials("alice", password))

    def challenge(self, now: float = 0.0, *, stale: bool = False, host: str = "h") -> bool:
        return self.client.answer(_challenge(self.server.challenges("r", now, host=host, stale=stale)))

    def proof(self, now: float = 0.0, password: str | None = "secret", *, host: str = "h") -> Proof:
        return self.server.judge(self.header(), "INVITE", password, now, host=host).proof

    def header(self) -> str:
        ((name, value),) = self.client.headers("INVITE", "sip:b@r")
        assert name == "Authorization"
        return value


def test_sha_256_is_offered_first_and_taken() -> None:
    pair = Pair()
    values = pair.server.challenges("r", 0.0, host="h")
    assert [(read_digest(value) or {})["algorithm"] for value in values] == ["SHA-256", "MD5"]
    assert pair.challenge() and "algorithm=SHA-256" in pair.header()
    assert pair.proof() is Proof.GOOD


def test_an_algorithm_that_is_not_offered_proves_nothing() -> None:
    pair = Pair()
    pair.challenge()
    pair.server.algorithms = ("MD5",)
    assert pair.proof() is Proof.STALE, "the password is right: it is asked once more"
    assert pair.challenge(stale=True) and "algorithm=MD5" in pair.header()
    assert pair.proof() is Proof.GOOD


def test_the_nonce_count_goes_up_and_a_replay_is_stale() -> None:
    pair = Pair()
    pair.challenge()
    first, second = pair.header(), pair.header()
    judge = pair.server.judge
    assert judge(second, "INVITE", "secret", 1.0, host="h").proof is Proof.GOOD
    assert judge(first, "INVITE", "secret", 1.0, host="h").proof is Proof.STALE
    assert judge(second, "INVITE", "secret", 1.0, host="h").proof is Proof.STALE
    assert pair.proof() is Proof.GOOD


def test_old_foreign_and_moved_nonces_are_stale_only_with_the_right_password() -> None:
    pair = Pair()
    pair.challenge()
    assert pair.proof(60.0) is Proof.GOOD and pair.proof(60.1) is Proof.STALE
    assert pair.proof(60.1, "other") is Proof.WRONG and pair.proof(60.1, None) is Proof.WRONG
    assert pair.proof(1.0, host="elsewhere") is Proof.STALE
    before = pair.header()
    pair.server = DigestServer(lifetime_s=60)  # the process has started anew
    judged = pair.server.judge(before, "INVITE", "secret", 1.0, host="h")
    assert judged.proof is Proof.STALE and not judged.at_home


def test_wrong_password_method_and_user() -> None:
    pair = Pair("guess")
    pair.challenge()
    assert pair.proof() is Proof.WRONG and pair.proof(password=None) is Proof.WRONG
    pair = Pair()
    pair.challenge()
    assert pair.server.judge(pair.header(), "BYE", "secret", 0.0, host="h").proof is Proof.WRONG


def test_a_nonce_without_quality_counts_once() -> None:
    server = DigestServer(lifetime_s=60)
    nonce = (read_digest(server.challenges("r", 0.0, host="h")[0]) or {})["nonce"]
    said = {"username": "alice", "realm": "r", "nonce": nonce, "uri": "sip:b@r"}
    said["response"] = digest_response(said, "secret", "INVITE") or ""
    value = "Digest " + ", ".join(f'{key}="{text}"' for key, text in said.items())
    assert server.judge(value, "INVITE", "secret", 0.0, host="h").proof is Proof.GOOD
    assert server.judge(value, "INVITE", "secret", 0.0, host="h").proof is Proof.STALE


def test_counts_are_bounded_and_what_is_forgotten_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MAX_NONCES", 3)
    pair = Pair()
    pair.challenge(now=1.0)
    kept = pair.header()
    assert pair.server.judge(kept, "INVITE", "secret", 1.0, host="h").proof is Proof.GOOD
    for moment in (2.0, 3.0, 4.0):
        other = DigestAnswers(Credentials("alice", "secret"))
        other.answer(_challenge(pair.server.challenges("r", moment, host="h")))
        ((_, value),) = other.headers("INVITE", "sip:b@r")
        assert pair.server.judge(value, "INVITE", "secret", moment, host="h").proof is Proof.GOOD
    assert pair.server.judge(kept, "INVITE", "secret", 5.0, host="h").proof is Proof.STALE


# ---- the client


def test_the_client_gives_up_when_its_password_is_refused() -> None:
    pair = Pair("guess")
    assert pair.challenge()
    pair.header()
    assert not pair.challenge(), "the same question again: no"


def test_the_client_answers_anew_when_a_nonce_has_run_out() -> None:
    pair = Pair()
    pair.challenge()
    pair.header()
    assert pair.challenge(stale=True) and pair.proof() is Proof.GOOD
    pair.header()
    assert pair.challenge(), "a nonce that was good before is over, whether the server says stale or not"
    for _ in range(2):
        pair.header()
        assert pair.challenge(stale=True)
    pair.header()
    assert not pair.challenge(stale=True), "a server that is never satisfied"


def test_the_client_answers_a_proxy_and_a_server_together() -> None:
    client = DigestAnswers(Credentials("alice", "secret"))
    assert client.answer(_challenge(('Digest realm="p", nonce="n1"',), 407))
    assert client.answer(_challenge(('Digest realm="s", nonce="n2", qop="auth,auth-int", opaque="o"',)))
    rows = dict(client.headers("INVITE", "sip:b@r"))
    assert set(rows) == {"Authorization", "Proxy-Authorization"}
    proxy, server = read_digest(rows["Proxy-Authorization"]), read_digest(rows["Authorization"])
    assert proxy is not None and "qop" not in proxy and "algorithm" not in proxy
    assert (
        server is not None
        and server["qop"] == "auth"
        and server["opaque"] == "o"
        and server["nc"] == "00000001"
    )


def test_the_client_answers_only_what_it_can_and_may() -> None:
    client = DigestAnswers(Credentials("alice", "secret", realm="ours"))
    for value in (
        'Digest realm="theirs", nonce="n"',
        'Digest realm="ours", nonce="n", algorithm=SHA-512-256',
        'Digest realm="ours", nonce="n", qop="auth-int"',
        'Basic realm="ours"',
        'Digest realm="ours"',
    ):
        assert not client.answer(_challenge((value,))), value
    assert client.headers("INVITE", "sip:b@r") == []
    assert not DigestAnswers(None).answer(_challenge(('Digest realm="ours", nonce="n"',)))


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(Credentials("alice", "secret"))
