"""One server with TLS in a thread of its own, its phones, and the application that asks: for all tests here.

Vonage's Python SDK waits where it asks, so the server must be in another thread than the test.
"""

from __future__ import annotations

import asyncio
import gc
import io
import threading
import time
import uuid
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import jwt
import numpy as np
import requests
import soundfile
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from numpy.typing import NDArray

from callflow.caller import Caller, CallerOptions, CallPlan, CallResult
from callflow.cli.check import around
from callflow.clock import SystemClock
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions
from callflow.exchange.binding import TlsFiles
from callflow.ncco.session import Session
from callflow.server.listen import HttpBind, HttpOptions, HttpServer
from tests.ncco.webserver import WebServer, web_server
from tests.ports import free_ports
from tests.serve.accounts import catalog, write

T = TypeVar("T")

PORTS = 60
NUMBER = "447700900000"
APPLICATION, OTHER = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ff"
SAYS = "tone_stream://%(60000,0,440)"


@dataclass(frozen=True)
class Keys:
    """An application's key pair, PEM."""

    private: str
    public: str

    @classmethod
    def fresh(cls, bits: int = 2048) -> Keys:
        key = rsa.generate_private_key(65537, bits)
        return cls(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        )


@dataclass
class House:
    """``phone`` answers at once and says a tone, ``quiet`` only rings. ``results``: the calls of
    ``phone`` that are over. ``web`` is told of everything.
    """

    loop: asyncio.AbstractEventLoop
    keys: Keys
    web: WebServer
    ca: Path
    results: list[CallResult] = field(default_factory=list)
    asking: requests.Session = field(default_factory=requests.Session)
    exchange: Exchange = field(init=False)
    http: HttpServer = field(init=False)
    phone: Caller = field(init=False)
    quiet: Caller = field(init=False)

    @property
    def host(self) -> str:
        return self.http.url.removeprefix("https://")

    def run(self, work: Coroutine[Any, Any, T], within_s: float = 20) -> T:
        """Do something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within_s)

    def database(self, what: Callable[[Any], T]) -> T:
        return self.exchange.engine.database.run(what)

    def session(self, id: str) -> Session | None:
        return self.exchange.engine.scripts.sessions.find(id)

    def digits(self) -> list[str]:
        """What ``phone`` was told to hear pressed in the calls that are up."""
        return [line.digits for line in self.phone._lines]

    # ---- asking --------------------------------------------------------------------------------

    def token(self, keys: Keys | None = None, **claims: Any) -> str:
        """A token; a claim that is None is left out."""
        now = int(time.time())
        usual = {"application_id": APPLICATION, "iat": now, "jti": str(uuid.uuid4()), "exp": now + 900}
        payload = {key: value for key, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(payload, (keys or self.keys).private, algorithm="RS256")

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """A request with a fresh token (or ``token``; empty: none)."""
        shown = self.token() if token is None else token
        sent = {**({"Authorization": f"Bearer {shown}"} if shown else {}), **(headers or {})}
        url = path if path.startswith("http") else self.http.url + path
        return self.asking.request(method, url, json=body, headers=sent, verify=str(self.ca), timeout=20)

    def session_post(self, url: str, body: str) -> requests.Response:
        """A body as it is."""
        headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
        return self.asking.post(url, data=body, headers=headers, verify=str(self.ca), timeout=20)

    def call(self, ncco: list[dict[str, Any]], to: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Begin a call; gives its UUID."""
        endpoint = to or {"type": "sip", "uri": self.phone.contact}
        body = {"to": [endpoint], "from": {"type": "phone", "number": NUMBER}, "ncco": ncco, **more}
        answer = self.ask("POST", "/v1/calls", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["uuid"])

    def until(self, met: Callable[[], T | None], within_s: float = 10) -> T:
        """Wait until ``met`` gives something."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            found = met()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError("it has not come in time")

    def until_status(self, id: str, status: str) -> dict[str, Any]:
        def looked() -> dict[str, Any] | None:
            found: dict[str, Any] = self.ask("GET", f"/v1/calls/{id}").json()
            return found if found["status"] == status else None

        return self.until(looked)

    def told(self, *keys: str, **values: object) -> list[Mapping[str, Any]]:
        """The events with these keys and values."""
        return [
            body
            for body in self.web.told("/event")
            if all(key in body for key in keys) and values.items() <= body.items()
        ]


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """The server, up; and down again."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    life = AsyncExitStack()
    try:
        with web_server(event=[""], answer=[[{"action": "wait", "timeout": 30}]]) as web:
            ca = trustme.CA()
            ca.cert_pem.write_to_path(folder / "ca.pem")
            found = House(loop, Keys.fresh(), web, folder / "ca.pem")
            try:
                found.run(_start(found, folder, ca, life))
                yield found
            finally:
                found.asking.close()
                found.run(life.aclose())
                found.run(_hang_up(found))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(house: House, folder: Path, ca: trustme.CA, life: AsyncExitStack) -> None:
    low = free_ports(2 * PORTS)
    for name, first in (("phone", low + PORTS), ("quiet", low + PORTS + 30)):
        options = CallerOptions(name=name, media_ports=(first, first + 29))
        setattr(house, name, await life.enter_async_context(Caller(options, SystemClock())))
    _write(folder / "accounts" / "acme", house)
    write(folder / "system_config" / "delivery.json", {"allow_networks": ["127.0.0.0/8"]})
    certificate = ca.issue_cert("127.0.0.1", "api.nexmo.com")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    serving = ExchangeOptions(
        state=folder / "state",
        accounts=folder / "accounts",
        around=around,
        system_config=folder / "system_config",
        bind=(Bind.parse("udp:127.0.0.1:0"),),
        media=MediaOptions(ports=(low, low + PORTS - 1), workers=0),
        allow_loopback=True,
        poll_s=0,
    )
    house.exchange = Exchange(serving, catalog(serving.accounts, serving.system_config))
    tls = TlsFiles(folder / "server.pem")
    reached = HttpOptions(HttpBind("127.0.0.1", 0), tls, names=("api.nexmo.com",))
    house.http = HttpServer(house.exchange, reached)
    await life.enter_async_context(house.exchange)
    await life.enter_async_context(house.http)
    life.callback(asyncio.ensure_future(_answer(house)).cancel)


async def _hang_up(house: House) -> None:
    """TLS has a goodbye of its own: connections whose clients have gone without one wait for it."""
    for each in gc.get_objects():
        if isinstance(each, SSLProtocol) and each._loop is house.loop:
            transport = each._transport
            if isinstance(transport, asyncio.Transport):
                transport.abort()
    await asyncio.sleep(0)


async def _answer(house: House) -> None:
    plan = CallPlan("", audio=(SAYS,), keep_s=30)
    await house.phone.answers(plan, 1000, told=house.results.append)


def _write(account: Path, house: House) -> None:
    application = {
        "name": "Support",
        "numbers": [NUMBER],
        "event_url": f"{house.web.url}/event",
        "public_key": "support.pub.pem",
    }
    write(account / "account.json", {"realm": "acme.example.com"})
    write(account / "applications" / f"{APPLICATION}.json", application)
    write(account / "applications" / f"{OTHER}.json", {"name": "Other", "private_key": "other.pem"})
    (account / "applications" / "support.pub.pem").write_text(house.keys.public)
    gateway = {"server": "127.0.0.1", "port": house.phone.hop.port}
    write(
        account / "resources" / "carrier.json",
        {"name": "Carrier", "rules": ["^([0-9]{7,15})$"], "gateways": [gateway]},
    )
    write(account / "users" / "ann.json", {"first_name": "Ann"})
    sip = {"invite_format": "route", "route": house.quiet.contact}
    write(account / "devices" / "desk.json", {"owner_id": "ann", "sip": sip})


def other_keys(house: House) -> Keys:
    """The key pair of the other application, which is there from now on."""
    path = house.exchange.options.accounts / "acme" / "applications" / "other.pem"
    if not path.exists():
        path.write_text(Keys.fresh().private)
    return Keys(path.read_text(), "")


def tone_file(hertz: int, seconds: float, rate: int = 16000) -> bytes:
    """A WAV file."""
    sound = 8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    file = io.BytesIO()
    soundfile.write(file, sound.astype(np.int16), rate, format="WAV")
    return file.getvalue()


def level(sound: NDArray[np.int16], hertz: int, rate: int) -> float:
    """The amplitude of that tone where it is at its loudest, in pieces of 100 ms."""
    turn = np.exp(-2j * np.pi * hertz * np.arange(rate // 10) / rate)
    pieces = sound[: len(sound) // len(turn) * len(turn)].astype(np.float64).reshape(-1, len(turn))
    return float(np.abs(2 * (pieces * turn).mean(axis=1)).max(initial=0.0))
