"""webhook: what the server is told, and that the call does not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from callflow.channels.sim.scenario import Scenario
from tests.modules.stage import Stage, caller, node


@dataclass
class Server:
    """What came, and what is answered (the last status again and again)."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    came: list[tuple[str, str, str, dict[str, list[str]]]] = field(default_factory=list)


@contextmanager
def serving(*statuses: int) -> Iterator[Server]:
    server = Server(statuses=list(statuses) or [200])

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            kind = self.headers.get("Content-Type") or ""
            server.came.append((self.command, parts.path, kind, parse_qs(body or parts.query)))
            place = min(len(server.came), len(server.statuses)) - 1
            self.send_response(server.statuses[place])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _take

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _hook(url: str, **data: object) -> dict[str, object]:
    return node("webhook", {"uri": url, **data}, then=node("sleep", {"duration": 1}))


CALLS = Scenario(from_number="+15550100", from_name="Zoë", caller=caller(leaves=30.0))


def test_webhook_tells_by_post_as_a_form(stage: Stage) -> None:
    with serving() as server:
        ran = stage.run(_hook(f"{server.url}/hook", http_verb="post", custom_data={"a": {"b": 1}}), CALLS)
    ((verb, path, kind, fields),) = server.came
    assert (verb, path, kind) == ("POST", "/hook", "application/x-www-form-urlencoded")
    assert fields == {
        "hook_event": ["callflow"],
        "call_id": [ran.report.call_id],
        "account_id": ["account"],
        "from": ["+15550100"],
        "to": ["2000"],
        "caller_id_name": ["Zoë"],
        "caller_id_number": ["+15550100"],
        "custom_data[a][b]": ["1"],
    }
    assert ran.walk == [("webhook", "continue _"), ("sleep", "stop")] and ran.notices() == []


def test_webhook_tells_by_get_in_the_query(stage: Stage) -> None:
    with serving() as server:
        ran = stage.run(_hook(f"{server.url}/hook?key=7"), CALLS)
    ((verb, path, _, fields),) = server.came
    assert (verb, path, fields["key"]) == ("GET", "/hook", ["7"])
    assert fields["call_id"] == [ran.report.call_id]


def test_webhook_tries_again_until_it_is_told(stage: Stage) -> None:
    with serving(500, 503, 200) as server:
        ran = stage.run(_hook(server.url, retries=3), CALLS)
    assert len(server.came) == 3 and ran.notices() == []


def test_webhook_gives_up_and_says_so_without_secrets(stage: Stage) -> None:
    with serving(500) as server:
        ran = stage.run(_hook(f"{server.url}/hook?key=secret", retries=1), CALLS)
    assert len(server.came) == 2
    (notice,) = ran.notices("error")
    assert "500" in notice.message and "secret" not in notice.message
    assert (notice.path, notice.module) == ("", "webhook"), "it is about the node that asked for it"
    assert "secret" not in ran.step("webhook").did


def test_webhook_does_not_hold_up_the_call(stage: Stage) -> None:
    with serving(500) as server:
        ran = stage.run(_hook(server.url, retries=4), CALLS)
    assert ran.step("webhook").seconds == pytest.approx(0.0, abs=0.05)
    assert ran.report.seconds == pytest.approx(1.0, abs=0.1), "the retries go on after the call's end"
    assert len(server.came) == 5


def test_webhook_to_nowhere_is_a_notice(stage: Stage) -> None:
    for uri in ("ftp://h/x", "http://169.254.169.254/latest", "http://127.0.0.1:9/"):
        ran = stage.run(_hook(uri, retries=0), CALLS)
        assert ran.modules == ["webhook", "sleep"]
        assert len(ran.notices("error")) == 1, uri


def test_webhook_without_a_uri_is_passed_over(stage: Stage) -> None:
    ran = stage.run(node("webhook", then=node("noop")))
    assert ran.modules == ["webhook", "noop"] and ran.notices("error")
