"""A web server on this machine that answers as a test says: what an application's urls lead to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Request:
    """One request: ``told`` is its JSON body, or its query."""

    method: str
    path: str
    told: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass
class WebServer:
    """``answers``: by path, what comes: a list is given one after the other (its last one again and again);
    an answer is a body, or a status and a body. ``raw``: by path, bytes of files.
    """

    answers: dict[str, list[Any]]
    url: str = ""
    raw: dict[str, bytes] = field(default_factory=dict)
    came: list[Request] = field(default_factory=list)

    def put(self, path: str, file: bytes) -> None:
        """Let there be a file."""
        self.answers[path], self.raw[path] = [""], file

    def told(self, path: str) -> list[Mapping[str, Any]]:
        return [each.told for each in self.came if each.path == path]

    def next_answer(self, path: str) -> tuple[int, Any]:
        left = self.answers.get(path, [(404, "")])
        answer = left.pop(0) if len(left) > 1 else left[0]
        return answer if isinstance(answer, tuple) else (200, answer)


@contextmanager
def web_server(**by_path: list[Any]) -> Iterator[WebServer]:
    """``answer=[script]`` answers requests for ``/answer``."""
    server = WebServer({f"/{path}": list(answers) for path, answers in by_path.items()})

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            told = json.loads(body) if body else dict(parse_qsl(parts.query))
            server.came.append(Request(self.command, parts.path, told, dict(self.headers)))
            status, said = server.next_answer(parts.path)
            sent = (said if isinstance(said, str) else json.dumps(said)).encode()
            sent = server.raw.get(parts.path, sent)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = _take

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=lambda: http.serve_forever(0.01))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
