"""A real server for tests of the HTTP API: an exchange and its HTTP server on loopback, in this process.

def test_something(tmp_path):
    async def main(stage):
        answer = await stage.get("/v2/accounts/acme/recordings")
        assert answer.status == 200 and answer.json["data"] == []

    on_stage(tmp_path, main)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from callflow.cli.check import around
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions
from callflow.server.listen import HttpBind, HttpOptions, HttpServer
from callflow.server.parts import Parts
from callflow.server.tokens import make_token
from callflow.state.tokens import add_token
from tests.ports import free_ports
from tests.serve.accounts import RECORD, account, catalog

PORTS = 20


@dataclass(frozen=True)
class Answer:
    """What came back. ``body``: bytes; ``headers``: case does not matter."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Stage:
    """A server, and a client with a token for everything (``token``; ``""`` sends none)."""

    def __init__(self, exchange: Exchange, web: HttpServer, http: aiohttp.ClientSession) -> None:
        self.exchange = exchange
        self.parts: Parts = web.parts
        self.web = web
        self.app = web.app
        self.url = web.url
        self.http = http
        self.token = web.parts.tokens.issue("test")

    def token_for(self, account_id: str, *scopes: str) -> str:
        """A token of the database."""
        secret, row = make_token(account_id, scopes or ("*",), "test", self.exchange.clock.wall())
        self.parts.database.run(lambda conn: add_token(conn, row))
        return secret

    async def ask(
        self,
        method: str,
        path: str,
        *,
        data: object = None,
        body: bytes | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; ``data`` goes as ``{"data": ...}``, ``body`` as it is. ``path`` is quoted."""
        sent = dict(headers or {})
        shown = self.token if token is None else token
        if shown:
            sent.setdefault("X-Auth-Token", shown)
        if data is not None:
            body = json.dumps({"data": data}).encode()
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(
            method,
            self.url + path,
            data=None if body is None else BytesIO(body),
            headers=sent,
            allow_redirects=False,
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **more: Any) -> Answer:
        """``ask("GET", ...)``."""
        return await self.ask("GET", path, **more)


def on_stage(
    folder: Path,
    use: Callable[[Stage], Awaitable[None]],
    *,
    accounts: Path | None = None,
    system_config: Path | None = None,
) -> None:
    """Serve ``accounts`` (without: ``acme`` and ``other``, whose 100 answers and records) and run ``use``."""
    if accounts is None:
        accounts = folder / "accounts"
        for name in ("acme", "other"):
            account(accounts / name, {"100": RECORD}, devices=("alice",))
    asyncio.run(_main(folder, use, accounts, system_config))


async def _main(
    folder: Path, use: Callable[[Stage], Awaitable[None]], accounts: Path, system_config: Path | None
) -> None:
    low = free_ports(PORTS)
    options = ExchangeOptions(
        state=folder / "state",
        accounts=accounts,
        around=around,
        system_config=system_config,
        bind=(Bind.parse("udp:127.0.0.1:0"),),
        media=MediaOptions(ports=(low, low + PORTS - 1), workers=0),
        allow_loopback=True,
        poll_s=0,
    )
    http = HttpOptions(HttpBind("127.0.0.1", 0))
    async with (
        Exchange(options, catalog(accounts, system_config)) as exchange,
        HttpServer(exchange, http) as web,
        aiohttp.ClientSession() as client,
    ):
        await use(Stage(exchange, web, client))
