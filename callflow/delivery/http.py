"""Layer 2: the one HTTP client of the engine: guarded, with redirects of its own, and the rules of hosts.

Why not aiohttp's own redirects: it turns a POST into a GET on 301 and 302 and cannot send a streamed body
twice. Why the guard sits in the socket factory: only there is the address known that is really connected
to; an IP literal never reaches a resolver. Why a connection per request: a kept one may be closed by the
receiver at the very moment the next file is sent on it. Proxies of the environment are never used, only
those of ``delivery.hosts``.

aiohttp is imported at the first request (``ahead``).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urldefrag, urljoin

from callflow import __version__
from callflow.delivery.guard import Guard
from callflow.delivery.hosts import Hosts, allow_through_proxy, basic, headers_of, network_part, proxy_of
from callflow.delivery.progress import Progress
from callflow.delivery.urls import HttpUrl, parse_url
from callflow.documents.delivery_hosts import HostRule
from callflow.errors import BadRedirect, BlockedAddress, DeliveryError, FetchError, UnsendableFile

if TYPE_CHECKING:
    import aiohttp

    from callflow.delivery.body import FileBody

REDIRECTS = frozenset({301, 302, 307, 308})
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
BODY_LIMIT = 1024 * 1024
"""So much of an answer is read by ``request``; the rest is not asked for."""
ANSWER_LIMIT = 2048
"""So much of an upload's answer is kept."""
ANSWER_S = 10.0
"""So long is the body of an upload's answer waited for: its status has said all that counts."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer after all redirects. ``headers``: names in any case. ``address``: what was connected to."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    address: str


@dataclass(slots=True)
class _Seen:
    """What the guard saw while one request connected."""

    proxied: bool = False
    allowed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


_seen: ContextVar[_Seen] = ContextVar("callflow_seen_addresses")


class GuardedHttp:
    """``request``, ``fetch_file`` and ``upload``; used on one loop, closed there with ``close``.

    ``hosts``: ``delivery.hosts``. What is sent for an account says so (``account``: the ``delivery`` of its
    document): then credentials of the first url's host go with it, until a redirect leads elsewhere.

    Raises BadUrl, BlockedAddress, BadRedirect, FetchError for whatever network and server do, and
    SettingsError for a rule or a secret that cannot be used.
    """

    request_s = 120.0
    """So long may a small request take, redirects and all: a server that sends a byte now and then keeps no
    call.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        connect_timeout_s: float,
        progress_timeout_s: float,
        hosts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._guard = guard
        self._hosts = Hosts(hosts or {})
        self._connect_timeout_s = connect_timeout_s
        self._progress_timeout_s = progress_timeout_s
        self._session: aiohttp.ClientSession | None = None

    def rule(self, url: str, account: Mapping[str, Any]) -> HostRule:
        """How something is delivered to ``url`` for an account. Raises BadUrl, SettingsError."""
        return self._hosts.rule(parse_url(url), account)

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        follow: int = 10,
        account: Mapping[str, Any] | None = None,
    ) -> Response:
        """Send a small request; the answer's body is read up to BODY_LIMIT bytes."""

        async def take(answer: aiohttp.ClientResponse, progress: Progress) -> bytes:
            return await _read(answer, progress, BODY_LIMIT)

        hops = _Hops(parse_url(url), method, headers or {}, follow, account)
        try:
            async with asyncio.timeout(self.request_s):
                return await self._follow(hops, lambda progress: body, take)
        except TimeoutError as error:
            raise FetchError(
                f"{hops.at.name} was not done within {self.request_s:.0f} s", hint="is the server slow?"
            ) from error

    async def fetch_file(self, url: str, into: Path, max_bytes: int) -> None:
        """GET ``url`` into the file ``into``. Raises FetchError for an answer other than 2xx or too long."""
        parsed = parse_url(url)

        async def take(answer: aiohttp.ClientResponse, progress: Progress) -> bytes:
            if not 200 <= answer.status <= 299:
                raise FetchError(f"{parsed.name} answered {answer.status}", hint="is the url right?")
            count = 0
            with _stored(into) as file:
                async for chunk in answer.content.iter_any():
                    progress.step()
                    count += len(chunk)
                    if count > max_bytes:
                        raise FetchError(
                            f"{parsed.name} sends more than {max_bytes} bytes", hint="use a smaller file"
                        )
                    _store(file, chunk)
            return b""

        try:
            await self._follow(_Hops(parsed, "GET", {}, 10, None), lambda progress: None, take)
        except BaseException:
            _forget(into)
            raise

    async def upload(
        self,
        method: str,
        url: str,
        path: Path,
        headers: Mapping[str, str],
        *,
        size: int,
        begin: int = 0,
        halfway: Callable[[], None] = lambda: None,
        account: Mapping[str, Any] | None = None,
    ) -> Response:
        """Send the file ``path`` of ``size`` bytes, from byte ``begin`` on, as the body; streamed, and anew
        to each redirect. ``halfway`` is called once half of it is handed to the network. Raises
        UnsendableFile too.
        """
        import aiohttp

        from callflow.delivery.body import FileBody

        bodies: list[FileBody] = []

        def body(progress: Progress) -> FileBody:
            bodies.append(FileBody(path, size, progress, halfway, begin))
            return bodies[-1]

        async def take(answer: aiohttp.ClientResponse, progress: Progress) -> bytes:
            if 200 <= answer.status <= 299:
                await bodies[-1].over.wait()  # a yes before the end: see that it could really take it all
                if not bodies[-1].complete:
                    raise FetchError(
                        f"the receiver answered {answer.status} and closed before it had the whole file",
                        hint="a receiver must read the body to its end",
                    )
            try:
                async with asyncio.timeout(min(ANSWER_S, self._progress_timeout_s * 0.9)):
                    return await _read(answer, progress, ANSWER_LIMIT)
            except (aiohttp.ClientError, OSError):  # TimeoutError too: the status is all that counts
                return b""

        try:
            return await self._follow(_Hops(parse_url(url), method, headers, 10, account), body, take)
        except DeliveryError as error:
            if bodies and bodies[-1].problem:
                raise UnsendableFile(bodies[-1].problem, hint="the file was changed or removed") from error
            raise

    async def close(self) -> None:
        """Close what is open; the client can be used again afterwards."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ---- one exchange after another -----------------------------------------------------------

    async def _follow(
        self,
        hops: _Hops,
        body: Callable[[Progress], Any],
        take: Callable[[aiohttp.ClientResponse, Progress], Awaitable[bytes]],
    ) -> Response:
        while True:
            answer = await self._exchange(hops, body, take)
            if answer is not None:
                return answer

    async def _exchange(
        self,
        hops: _Hops,
        body: Callable[[Progress], Any],
        take: Callable[[aiohttp.ClientResponse, Progress], Awaitable[bytes]],
    ) -> Response | None:
        """One request to where ``hops`` stands; None: it was a redirect and ``hops`` has moved."""
        import aiohttp
        import yarl

        from callflow.delivery.network_errors import network_error

        rule = self._hosts.rule(hops.at, hops.account)
        if hops.strayed:
            rule = network_part(rule)
        tls = await self._hosts.tls(rule) if hops.at.scheme == "https" else True
        proxy, for_proxy = proxy_of(rule)
        tunnel = hops.at.scheme == "https"  # else the proxy reads the request itself
        seen = _Seen(proxied=proxy is not None)
        _seen.set(seen)
        progress = Progress(self._progress_timeout_s, "waiting for the answer", grace=self._connect_timeout_s)
        try:
            async with progress:
                if proxy is not None:
                    await allow_through_proxy(hops.at, rule, self._guard)
                answer = await self._open().request(
                    hops.method,
                    yarl.URL(hops.at.url, encoded=True),
                    data=body(progress),
                    headers={**hops.headers(headers_of(rule)), **({} if tunnel else for_proxy)},
                    allow_redirects=False,
                    ssl=tls,
                    proxy=proxy,
                    proxy_headers=for_proxy if tunnel else None,
                    timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout_s),
                )
                progress.step("reading the answer")
                try:
                    if hops.move(answer):
                        return None
                    taken = await take(answer, progress)
                finally:
                    answer.close()
                address = seen.allowed[-1] if seen.allowed else ""
                return Response(answer.status, answer.headers, taken, hops.at.url, address)
        except DeliveryError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if seen.refused and not seen.allowed:
                raise BlockedAddress(
                    f"{hops.at.host} may not be connected to: {seen.refused[0]}",
                    hint="list its network in delivery.allow_networks of system_config, if it is meant",
                ) from error
            raise network_error(error, hops.at, progress) from error

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, force_close=True, socket_factory=self._socket, ttl_dns_cache=10
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"callflow/{__version__}"},
                trust_env=False,
            )
        return self._session

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        seen = _seen.get()
        host = str(address[0])
        refusal = None if seen.proxied else self._guard.refusal(host)
        if refusal is not None:
            seen.refused.append(refusal)
            raise OSError(refusal)
        seen.allowed.append(host)
        return socket.socket(family=family, type=kind, proto=protocol)


class _Hops:
    """Where a request stands on its way through redirects: sans-IO."""

    def __init__(
        self,
        url: HttpUrl,
        method: str,
        headers: Mapping[str, str],
        follow: int,
        account: Mapping[str, Any] | None,
    ) -> None:
        self.at = url
        self.account = account
        self.strayed = False
        self.method = method.upper()
        self._headers = dict(headers)
        self._most = follow
        self._been = {url.url}

    def headers(self, more: Mapping[str, str]) -> dict[str, str]:
        """The headers for the next request: its own, ``more`` beside them, and the url's credentials."""
        own = {name.lower() for name in self._headers}
        headers = {**{name: text for name, text in more.items() if name.lower() not in own}, **self._headers}
        credentials = self.at.credentials
        if credentials is None:
            return headers
        rest = {name: text for name, text in headers.items() if name.lower() != "authorization"}
        return {**rest, "Authorization": basic(*credentials)}

    def move(self, answer: aiohttp.ClientResponse) -> bool:
        """Go where a redirect points; False: it is none, or none shall be followed. Raises BadRedirect."""
        if answer.status not in REDIRECTS or self._most == 0:
            return False
        location = answer.headers.get("Location", "").strip()
        if not location:
            raise self._bad(f"answered {answer.status} without a Location")
        if len(self._been) > self._most:
            raise self._bad("redirects too many times")
        try:
            target = parse_url(urldefrag(urljoin(self.at.url, location)).url)
        except (DeliveryError, ValueError) as error:
            raise self._bad("redirects to a url that cannot be used") from error
        if target.url in self._been:
            raise self._bad("redirects in a loop")
        self._been.add(target.url)
        if target.origin != self.at.origin:
            self.strayed = True
            self._headers = {k: v for k, v in self._headers.items() if k.lower() not in SECRET_HEADERS}
        elif not target.userinfo:
            target = replace(target, userinfo=self.at.userinfo)
        self.at = target
        return True

    def _bad(self, what: str) -> BadRedirect:
        return BadRedirect(f"{self.at.name} {what}", hint="correct the receiver, or the url")


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)


def _stored(path: Path) -> BinaryIO:
    try:
        return path.open("wb", buffering=0)
    except OSError as error:
        raise FetchError(
            f"what was fetched cannot be stored: {error.strerror}", hint="is the folder there?"
        ) from error


def _store(file: BinaryIO, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise FetchError(
            f"what was fetched cannot be stored: {error.strerror}", hint="is there space?"
        ) from error


async def _read(answer: aiohttp.ClientResponse, progress: Progress, limit: int) -> bytes:
    taken = bytearray()
    async for chunk in answer.content.iter_any():
        progress.step()
        taken += chunk
        if len(taken) >= limit:
            break
    return bytes(taken[:limit])
