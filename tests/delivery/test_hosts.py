"""Layer 2: how deliveries are sent to a host: headers, credentials, TLS, proxy, signatures, bounds."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from typer.testing import CliRunner

import callflow.cli
from callflow.delivery import outbox
from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.delivery.outbox import DeliveryState
from callflow.delivery.receiver import Receiver
from callflow.documents.delivery_hosts import PLAIN, problems, rule_for
from callflow.documents.settings import DeliverySettings, load_settings
from callflow.errors import BlockedAddress, FetchError, SettingsError
from callflow.state.account_documents import put_account
from tests.delivery.support import SETTINGS, State

WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
HOST = "127.0.0.1"
Rule = dict[str, Any]


@dataclass
class Seen:
    """What a server was sent."""

    headers: list[Mapping[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    most_at_once: int = 0
    now: int = 0


@asynccontextmanager
async def serving(
    seen: Seen, *, redirect: str = "", tls: ssl.SSLContext | None = None, host: str = HOST, waits: float = 0
) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        seen.now += 1
        seen.most_at_once = max(seen.most_at_once, seen.now)
        await request.read()
        await asyncio.sleep(waits)
        seen.now -= 1
        seen.headers.append(request.headers)
        seen.targets.append(request.raw_path)
        if redirect:
            return web.Response(status=307, headers={"Location": redirect})
        return web.Response(status=201)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, 0, ssl_context=tls).start()
    try:
        yield f"http{'s' if tls else ''}://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def with_hosts(rules: Mapping[str, Rule], **more: int) -> DeliverySettings:
    return replace(SETTINGS, hosts=rules, **more)  # type: ignore[arg-type]


@pytest.fixture
def state(tmp_path: Path) -> Any:
    made = State.make(tmp_path / "state")
    yield made
    made.database.close()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_ONE", "first-secret")
    monkeypatch.setenv("CF_TWO", "second-secret")
    monkeypatch.setenv("CF_SIGN", WHSEC)


# ---- which rule -----------------------------------------------------------------------------


def test_the_more_exact_rule_wins_key_by_key() -> None:
    system: dict[str, Rule] = {
        "*": {"headers": {"X-A": "all", "X-B": "all"}, "bearer": "secret:env:CF_ONE", "ca": "/all.pem"},
        "*.example.com": {"headers": {"x-a": "domain"}, "proxy": "http://proxy:3128"},
        "a.example.com": {"username": "u", "password": "secret:env:CF_TWO"},
        "a.example.com:8443": {"parallel": 2},
    }
    rule = rule_for("a.example.com", 8443, system, {})
    assert rule.headers == {"x-a": "domain", "X-B": "all"}
    assert (rule.bearer, rule.username, rule.parallel, rule.ca) == ("", "u", 2, "/all.pem")
    assert rule_for("a.example.com", 443, system, {}).parallel == 0
    assert rule_for("example.com", 443, system, {}).proxy == "", "*.example.com is what is below it"
    account = {"hosts": {"*": {"bearer": "secret:env:CF_TWO", "upload": "tus"}}}
    mine = rule_for("a.example.com", 443, system, account)
    assert (mine.bearer, mine.username, mine.upload) == ("secret:env:CF_TWO", "", "tus")
    assert rule_for("x", 80, {}, {}) is PLAIN
    assert rule_for("::1", 8080, {"[::1]:8080": {"upload": "tus"}}, {}).upload == "tus"


@pytest.mark.parametrize(
    ("key", "part", "words"),
    [
        ("a b", {}, "no host"),
        ("*", {"headers": {"Content-Length": "1"}}, "made for each request"),
        ("*", {"headers": {"X-Api-Key": "hush"}}, "looks like a secret"),
        ("*", {"headers": {"X A": "1"}}, "no name"),
        ("*", {"headers": {"X-A": "1\n2"}}, "control character"),
        ("*", {"headers": {"X-A": "secret:hush"}}, "not known"),
        ("*", {"bearer": "secret:env:", "username": "u"}, "same header"),
    ],
)
def test_what_check_says(key: str, part: Rule, words: str) -> None:
    said = " ".join(f"{message} {hint}" for _, message, hint in problems({key: part}))
    assert words in said and "hush" not in said


def test_what_an_account_may_not_say() -> None:
    with pytest.raises(SettingsError, match="unknown key"):
        rule_for("h", 80, {}, {"hosts": {"*": {"proxy": "http://mine:1"}}})
    with pytest.raises(SettingsError) as caught:
        rule_for("h", 80, {}, {"hosts": {"*": {"password": "hush"}}})
    assert "hush" not in str(caught.value)
    with pytest.raises(SettingsError):
        load_settings(overrides={"delivery.hosts": {"*": {"bearer": "hush"}}})


# ---- headers and credentials ----------------------------------------------------------------


def test_headers_and_credentials_until_a_redirect_leads_elsewhere(state: State) -> None:
    async def main() -> None:
        there, here, bearer = Seen(), Seen(), Seen()
        async with (
            serving(there) as other,
            serving(here, redirect=f"{other}/x") as url,
            serving(bearer) as second,
        ):
            rules: dict[str, Rule] = {
                "*": {"headers": {"X-Mine": "plain", "X-Api-Key": "secret:env:CF_ONE"}},
                url.partition("//")[2]: {"username": "u", "password": "secret:env:CF_TWO"},
                second.partition("//")[2]: {"bearer": "secret:env:CF_TWO"},
            }
            state.enqueue(f"{url}/a.wav", name="a")
            state.enqueue(f"{second}/b.wav", name="b")
            state.enqueue(f"{second.replace('//', '//me:mine@')}/c.wav", name="c")
            await state.deliver(with_hosts(rules))
        (first,), (strayed,) = here.headers, there.headers
        assert first["X-Api-Key"] == "first-secret" and first["X-Mine"] == "plain"
        assert first["Authorization"] == "Basic " + base64.b64encode(b"u:second-secret").decode()
        assert not {"X-Api-Key", "X-Mine", "Authorization"} & set(strayed), "they are for the first host"
        assert strayed["Content-Type"] == "audio/wav"
        named = dict(zip(bearer.targets, bearer.headers, strict=True))
        assert named["/b.wav"]["Authorization"] == "Bearer second-secret"
        assert named["/c.wav"]["Authorization"] == "Basic " + base64.b64encode(b"me:mine").decode()

    asyncio.run(main())


def test_an_account_has_its_own(state: State) -> None:
    async def main() -> None:
        seen = Seen()
        async with serving(seen) as url:
            own = {"hosts": {HOST: {"bearer": "secret:env:CF_TWO"}}}
            state.database.run(lambda conn: put_account(conn, "acc", own, {}))
            state.enqueue(f"{url}/a.wav")
            await state.deliver(with_hosts({"*": {"bearer": "secret:env:CF_ONE"}}))
            client = GuardedHttp(
                Guard(allow_loopback=True),
                connect_timeout_s=2,
                progress_timeout_s=2,
                hosts={"*": {"bearer": "secret:env:CF_ONE"}},
            )
            await client.request("GET", f"{url}/no-delivery")
            await client.close()
        assert [headers.get("Authorization") for headers in seen.headers] == ["Bearer second-secret", None]

    asyncio.run(main())


def test_a_secret_that_is_missing_waits_and_is_shown_nowhere(
    state: State, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        seen = Seen()
        async with serving(seen) as url:
            rules: dict[str, Rule] = {
                "*": {"bearer": "secret:env:CF_LATER", "headers": {"X-Key": "secret:env:CF_ONE"}}
            }
            state.enqueue(f"{url}/a.wav")
            await state.deliver_until(lambda: state.row("dlv-1").state == "WAITING", with_hosts(rules))
            row = state.row("dlv-1")
            assert "CF_LATER" in row.last_error and row.slow_failures == 1
            assert not seen.headers
            monkeypatch.setenv("CF_LATER", "third-secret")
            state.database.run(lambda conn: outbox.retry(conn, "dlv-1", state.clock.wall()))
            await state.deliver(with_hosts(rules))
            assert seen.headers[0]["Authorization"] == "Bearer third-secret"

    asyncio.run(main())
    state.database.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in ("first-secret", "third-secret"):
        assert secret.encode() not in written and secret not in caplog.text + repr(state.events)


# ---- TLS ------------------------------------------------------------------------------------


def test_our_ca_and_a_client_certificate(state: State, tmp_path: Path) -> None:
    ca, stranger = trustme.CA(), trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(HOST).configure_cert(server)
    ca.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    mine = ca.issue_cert("client@example.com")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "stranger", "client", "key")}
    ca.cert_pem.write_to_path(str(files["ca"]))
    stranger.cert_pem.write_to_path(str(files["stranger"]))
    mine.cert_chain_pems[0].write_to_path(str(files["client"]))
    mine.private_key_pem.write_to_path(str(files["key"]))
    good: Rule = {
        "ca": str(files["ca"]),
        "certificate": str(files["client"]),
        "certificate_key": str(files["key"]),
    }
    cases: list[tuple[str, Rule, str]] = [
        ("good", good, ""),
        ("unknown", {key: good[key] for key in ("certificate", "certificate_key")}, "not trusted"),
        ("strange", {**good, "ca": str(files["stranger"])}, "not trusted"),
        ("nobody", {"ca": good["ca"]}, ""),
        ("broken", {**good, "certificate": str(tmp_path / "gone.pem")}, "cannot be used"),
    ]

    def tried(row: str) -> bool:
        return bool(state.attempts(row))

    async def main() -> None:
        seen = Seen()
        async with serving(seen, tls=server) as url:
            for name, rule, words in cases:
                row = state.enqueue(f"{url}/{name}.wav", name=name)
                await state.deliver_until(partial(tried, row), with_hosts({HOST: rule}))
                assert words in state.row(row).last_error
                outcome = DeliveryState.DELIVERED if name == "good" else DeliveryState.WAITING
                assert state.row(row).state == outcome, name
                if name != "good":
                    state.database.run(partial(outbox.cancel, delivery_id=row, now=1.0))
        assert seen.targets == ["/good.wav"]

    asyncio.run(main())


# ---- proxy ----------------------------------------------------------------------------------


@asynccontextmanager
async def proxy(asked: list[tuple[str, str]]) -> AsyncIterator[str]:
    """A proxy for http and for CONNECT, that wants a password."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ")
        fields = dict(one.split(": ", 1) for one in rest if one)
        asked.append((f"{method} {target}", fields.get("Proxy-Authorization", "")))
        if "Proxy-Authorization" not in fields:
            writer.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = place.rpartition(":")
        there, out = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Yes\r\n\r\n")
        else:
            path = "/" + target.split("/", 3)[3]
            kept = "\r\n".join(one for one in rest if not one.startswith("Proxy-"))
            out.write(f"{method} {path} HTTP/1.1\r\n{kept}".encode())
        await asyncio.gather(pump(reader, out), pump(there, writer), return_exceptions=True)

    server = await asyncio.start_server(handle, HOST, 0)
    async with server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"


def test_a_proxy_takes_files_over_http_and_https(state: State, tmp_path: Path) -> None:
    ca = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(HOST).configure_cert(tls)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def main() -> None:
        asked: list[tuple[str, str]] = []
        plain, secure = Seen(), Seen()
        async with serving(plain) as one, serving(secure, tls=tls) as two, proxy(asked) as via:
            rule: Rule = {
                "proxy": via,
                "proxy_username": "p",
                "proxy_password": "secret:env:CF_ONE",
                "ca": str(tmp_path / "ca.pem"),
                "bearer": "secret:env:CF_TWO",
            }
            state.enqueue(f"{one}/a.wav", b"a" * 500_000, name="a")
            state.enqueue(f"{two}/b.wav", b"b" * 500_000, name="b")
            await state.deliver(with_hosts({HOST: rule}))
            assert plain.targets == ["/a.wav"] and secure.targets == ["/b.wav"]
            token = "Basic " + base64.b64encode(b"p:first-secret").decode()
            assert set(asked) == {(f"PUT {one}/a.wav", token), (f"CONNECT {two[8:]}", token)}
            assert secure.headers[0]["Authorization"] == "Bearer second-secret"
            asked.clear()
            state.enqueue(f"{two}/c.wav", name="c")
            bare = with_hosts({HOST: {"proxy": via}})
            await state.deliver_until(lambda: bool(state.row("dlv-c").last_error), bare)
            assert "the proxy answered 407" in state.row("dlv-c").last_error

    asyncio.run(main())


def test_the_guard_holds_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        asked: list[tuple[str, str]] = []
        async with proxy(asked) as via:
            rule: Rule = {"proxy": via, "proxy_username": "p", "proxy_password": "secret:env:CF_ONE"}

            async def ask(url: str, **more: object) -> None:
                client = GuardedHttp(
                    Guard(), connect_timeout_s=2, progress_timeout_s=2, hosts={"*": {**rule, **more}}
                )
                try:
                    await client.request("GET", url)
                finally:
                    await client.close()

            for url in ("http://10.0.0.1/", "http://[::1]/", "http://localhost/"):
                with pytest.raises(BlockedAddress):
                    await ask(url)
            with pytest.raises(FetchError, match="cannot be resolved here"):
                await ask("http://nowhere.invalid/")
            assert not asked, "the proxy was not even asked"
            with pytest.raises(BlockedAddress):
                await ask("http://10.0.0.1/", proxy_resolves=True)
            with pytest.raises(FetchError):
                await ask("http://nowhere.invalid:1/", proxy_resolves=True)
            assert asked[0][0] == "GET http://nowhere.invalid:1/"

    asyncio.run(main())


# ---- bounds ---------------------------------------------------------------------------------


def test_bounds_of_accounts_and_hosts(state: State) -> None:
    async def main() -> None:
        one, two = Seen(), Seen()
        async with serving(one, waits=0.02) as first, serving(two, host="127.0.0.2", waits=0.02) as second:
            state.database.run(lambda conn: put_account(conn, "acc", {"parallel": 3}, {}))
            for number in range(8):
                state.enqueue(f"{first}/{number}", name=f"a{number}")
                state.enqueue(f"{second}/{number}", name=f"b{number}")
            await state.deliver(with_hosts({"127.0.0.2": {"parallel": 1}}))
            assert len(one.targets) == len(two.targets) == 8
            assert two.most_at_once == 1 and one.most_at_once <= 3
            state.database.run(lambda conn: put_account(conn, "acc", {}, {}))
            one.most_at_once = 0
            for number in range(4):
                state.enqueue(f"{first}/{number}", name=f"c{number}")
            await state.deliver(with_hosts({}, parallel_per_account=1))
            assert one.most_at_once == 1

    asyncio.run(main())


# ---- signatures, with our own receiver and command ------------------------------------------


def test_receive_and_verify_check_signatures(state: State, tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "kept", secrets=[WHSEC])

    async def main() -> None:
        base = await receiver.start()
        state.enqueue(f"{base}/call_recording_1.wav", b"RIFF signed", name="1")
        await state.deliver(with_hosts({"*": {"signing": ["secret:env:CF_SIGN"]}}))
        state.enqueue(f"{base}/call_recording_2.wav", name="2")
        await state.deliver_until(lambda: state.row("dlv-2").last_status == 401)
        await receiver.close()

    asyncio.run(main())
    signed, unsigned = receiver.received
    assert (signed.status, signed.unsigned) == (201, "") and signed.file is not None
    assert (unsigned.status, unsigned.file) == (401, None) and unsigned.unsigned.startswith("not signed")
    assert signed.header("webhook-id") == "dlv-1"
    names = ("webhook-id", "webhook-timestamp", "webhook-signature", "Content-Digest")
    given = [word for name in names for word in ("--header", f"{name}: {signed.header(name)}")]
    run, app = CliRunner().invoke, callflow.cli.app_for("verify")
    words = ["verify", str(signed.file), *given, "-o", "json", "--secret"]
    good = run(app, [*words, "secret:env:CF_SIGN"])
    assert good.exit_code == 0 and json.loads(good.stdout)["claims"]["signed"].startswith("the digest")
    signed.file.write_bytes(b"RIFF other!")
    bad = run(app, [*words, WHSEC])
    assert bad.exit_code == 1 and "digest that was signed" in json.loads(bad.stdout)["why"]
    assert run(app, [*words, "hush"]).exit_code == 2
    assert run(app, ["verify", str(signed.file), "--secret", WHSEC]).exit_code == 2
