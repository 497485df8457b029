"""Clients that are slow, large, many or broken cost a bounded amount, and no other client anything."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from callflow.errors import HttpListenError, StorageError
from callflow.server.envelope import MOST_BODY_BYTES, read_data
from callflow.server.listen import UNREAD_S, HttpBind, HttpOptions, HttpServer
from callflow.server.names import is_named
from tests.server.stage import Stage, on_stage

Use = Callable[[Stage], Awaitable[None]]


def on_probe(folder: Path, monkeypatch: pytest.MonkeyPatch, use: Use) -> None:
    """A stage with routes of the test's own."""

    def routes(parts: Any) -> list[web.RouteDef]:
        async def echo(request: web.Request) -> web.Response:
            return web.json_response(await read_data(request))

        async def fault(request: web.Request) -> web.Response:
            raise RuntimeError("a secret path of ours")

        async def storage(request: web.Request) -> web.Response:
            raise StorageError("the disk is full", hint="make room")

        return [web.put("/echo", echo), web.get("/fault", fault), web.get("/storage", storage)]

    monkeypatch.setattr("callflow.server.health.routes", routes)
    on_stage(folder, use)


async def raw(stage: Stage, sent: bytes) -> bytes:
    """What comes back until the server closes."""
    host, _, port = stage.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_bodies_are_bounded_and_are_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        async def put(body: bytes, **headers: str) -> tuple[int, Any]:
            answer = await stage.ask("PUT", "/echo", body=body, headers=headers)
            return answer.status, answer.json.get("data", answer.json)

        assert await put(b'{"data":{"a":1}}') == (200, {"a": 1})
        large = b'{"data":{"a":"%s"}}' % (b"x" * MOST_BODY_BYTES)
        assert (await put(large))[0] == 413
        assert (await put(gzip.compress(large), **{"Content-Encoding": "gzip"}))[0] == 413, "once unpacked"
        for wrong, rule in ((b"[]", "data"), (b'{"data":[]}', "data"), (b"", "message"), (b"{", "message"),
                            (b'{"data":{"a":1,"a":2}}', "message"), (b'{"data":NaN}', "message"),
                            (b"\xff\xfe{", "message"), (b"[" * 100_000, "message")):  # fmt: skip
            status, data = await put(wrong)
            assert (status, next(iter(data))) == (400, rule), wrong[:20]

    on_probe(tmp_path, monkeypatch, main)


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callflow.server.envelope.BODY_S", 0.05)
    monkeypatch.setattr("callflow.server.listen.LINGER_S", 0.05)

    async def main(stage: Stage) -> None:
        head = b"PUT /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{"
        assert (await raw(stage, head)).startswith(b"HTTP/1.1 408")

    on_probe(tmp_path, monkeypatch, main)


def test_a_head_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callflow.server.listen.IDLE_S", 0.05)

    async def main(stage: Stage) -> None:
        for part in (b"", b"GET /healthz HTTP/1.1\r\nHost:"):
            assert await raw(stage, part) == b""

    on_stage(tmp_path, main)


def test_heads_are_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main(stage: Stage) -> None:
        many = b"".join(b"X-%d: x\r\n" % number for number in range(5000))
        for head in (b"X: " + b"x" * 20_000 + b"\r\n", many):
            answer = await raw(stage, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n")
            assert answer.startswith(b"HTTP/1.0 400"), answer[:80]
        line = b"GET /healthz?" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        assert (await raw(stage, line)).startswith(b"HTTP/1.0 400")
        assert (await stage.get("/healthz")).status == 200

    on_stage(tmp_path, main)
    assert not caplog.records, "strangers do not write our log"


def test_too_many_connections_are_closed_unheard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callflow.server.listen.MOST_CONNECTIONS", 3)

    async def main(stage: Stage) -> None:
        host, _, port = stage.url.removeprefix("http://").partition(":")
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        assert await raw(stage, b"GET /healthz HTTP/1.0\r\n\r\n") == b""
        idle[0][1].close()
        await idle[0][1].wait_closed()
        answer = b""
        while not answer:  # the server has to see it first
            answer = await raw(stage, b"GET /healthz HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"ok\n")
        for _, writer in idle[1:]:
            writer.close()

    on_stage(tmp_path, main)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_a_client_that_reads_nothing_is_given_up(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        async with stage.http.get(f"{stage.url}/healthz"):
            server = stage.web.runner.server
            assert server is not None
            (connection, *_) = server.connections
            assert connection.transport is not None
            sock = connection.transport.get_extra_info("socket")
            value = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert value == UNREAD_S * 1000

    on_stage(tmp_path, main)


def test_faults_say_nothing_of_our_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(stage: Stage) -> None:
        answer = await stage.get("/fault", headers={"X-Request-ID": "abc.1"})
        assert (answer.status, answer.json["error"]) == (500, "500")
        assert b"secret" not in answer.body
        assert answer.json["request_id"] == answer.headers["X-Request-ID"] == "abc.1"
        assert "a secret path of ours" in caplog.text and "abc.1" in caplog.text
        answer = await stage.get("/storage", headers={"X-Request-ID": "a b\t"})
        assert (answer.status, answer.json["message"]) == (503, "service_unavailable")
        assert answer.json["data"] == {"message": "CF-STO-000  the disk is full", "cause": "make room"}
        assert len(answer.json["request_id"]) == 32
        wrong = await stage.ask("DELETE", "/fault")
        assert (wrong.status, wrong.json["message"], wrong.headers["Allow"]) == (
            405,
            "bad_method",
            "GET,HEAD",
        )
        assert "DELETE is not for this path, which takes GET, HEAD" in wrong.json["data"]["message"]
        assert "/v2/openapi.json" in (await stage.get("/v2/nothing")).json["data"]["message"]
        assert (await stage.ask("HEAD", "/v2/nothing")).status == 404

    on_probe(tmp_path, monkeypatch, main)


# ---- where it listens ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:9090", HttpBind("127.0.0.1", 9090)),
        ("127.0.0.1", HttpBind("127.0.0.1", 8080)),
        (":0", HttpBind("127.0.0.1", 0)),
        ("8081", HttpBind("127.0.0.1", 8081)),
        ("localhost:80", HttpBind("127.0.0.1", 80)),
        ("[::1]:8080", HttpBind("::1", 8080)),
        ("::1", HttpBind("::1", 8080)),
    ],
)
def test_addresses(text: str, bind: HttpBind) -> None:
    assert HttpBind.parse(text) == bind
    assert HttpBind.parse(str(bind)) == bind
    HttpOptions(bind).check()


@pytest.mark.parametrize("text", ["example.com:80", "127.0.0.1:http", "127.0.0.1:65536", "[::1", "1.2.3"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(HttpListenError, match="--http"):
        HttpBind.parse(text)


def test_other_machines_need_tls_or_a_flag() -> None:
    everywhere = HttpBind.parse("0.0.0.0:8080")
    with pytest.raises(HttpListenError, match="unencrypted"):
        HttpOptions(everywhere).check()
    HttpOptions(everywhere, plain=True).check()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        port = int(stage.url.rpartition(":")[2])
        with pytest.raises(HttpListenError, match="in use"):
            await HttpServer(stage.exchange, HttpOptions(HttpBind("127.0.0.1", port))).start()

    on_stage(tmp_path, main)


# ---- whom it answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "good"),
    [("127.0.0.1:8080", True), ("[::1]:8080", True), ("localhost", True), ("console.localhost:1", True),
     ("Calls.Example:443", True), ("192.0.2.1", True), ("", True), ("localhost.", True),
     ("rebound.example:8080", False), ("127.0.0.1.example", False), ("localhost.example", False),
     ("example@127.0.0.1", False), ("[::1", True), ("127.1", False)],
)  # fmt: skip
def test_names_that_it_is_called_by(host: str, good: bool) -> None:
    assert is_named(host, {"calls.example"}) is good


def test_a_page_that_lets_its_name_point_here_gets_nothing(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        for path in ("/healthz", "/v2/openapi.json", "/console/", "/v2/token_auth", "/v1/calls", "/no"):
            answer = await stage.get(path, headers={"Host": "rebound.example:8080"})
            assert (answer.status, answer.json["message"]) == (421, "misdirected_request"), path
        assert (await stage.get("/healthz", headers={"Host": "localhost:80"})).status == 200

    on_stage(tmp_path, main)


def test_every_answer_says_that_it_is_no_page(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        asked = [("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/v2/openapi.json", "/", "/no",
                 "/console/", "/v1/calls", "/v1/files/x", "/v2/accounts/acme/recordings", "/v2/token_auth",
                 "/v2/accounts/acme/callflows/100/draw", "/v2/accounts/acme/events?for_s=0.01")]  # fmt: skip
        for method, path in [*asked, ("HEAD", "/healthz"), ("OPTIONS", "/v2/accounts/acme/recordings")]:
            headers = (await stage.ask(method, path)).headers
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert "default-src 'none'" in headers["Content-Security-Policy"], path
            assert headers["Referrer-Policy"] == "no-referrer", path
            assert headers["Server"] == "callflow", path
            assert not [name for name in headers if name.lower().startswith("access-control")], path
            assert "Set-Cookie" not in headers, path

    on_stage(tmp_path, main)
