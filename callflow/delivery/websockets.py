"""Layer 2: WebSockets to the urls of documents, behind the same guard as every other request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import yarl

from callflow import __version__
from callflow.delivery.guard import Guard
from callflow.delivery.hosts import basic
from callflow.delivery.network_errors import network_error
from callflow.delivery.progress import Progress
from callflow.delivery.urls import HttpUrl, parse_url
from callflow.errors import BadRedirect, BadUrl, BlockedAddress, FetchError
from callflow.log import mask_url, one_line

MOST_BYTES = 256 * 1024
"""Of a message; a server that sends a longer one is left."""
PING_S = 20.0
"""A server that answers no ping is gone."""
SAY_S = 10.0
"""So long may a server not read before it is left."""


class OpenSocket:
    """One WebSocket; used on the loop on which it was opened."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, life: AsyncExitStack) -> None:
        self._socket = socket
        self._life = life

    async def say(self, message: str | bytes) -> None:
        """Send a text or binary message. Raises OSError when it is closed, or nobody reads it."""
        try:
            async with asyncio.timeout(SAY_S):
                if isinstance(message, str):
                    await self._socket.send_str(message)
                else:
                    await self._socket.send_bytes(message)
        except (aiohttp.ClientError, RuntimeError) as error:
            raise ConnectionResetError("the WebSocket is closed") from error

    async def hear(self) -> str | bytes | None:
        """The next text or binary message; None: it is closed, or broken."""
        message = await self._socket.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        return None

    async def close(self) -> None:
        """Close it, at most for some seconds; again: nothing."""
        await self._life.aclose()


async def open_socket(guard: Guard, url: str, headers: Mapping[str, str], *, within_s: float) -> OpenSocket:
    """Open ``ws://`` or ``wss://`` ``url``; redirects are not followed, proxies not used. Raises BadUrl,
    BlockedAddress, BadRedirect, FetchError.
    """
    parsed = _parsed(url)
    allowed: list[str] = []
    refused: list[str] = []

    def guarded(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        refusal = guard.refusal(str(address[0]))
        (allowed if refusal is None else refused).append(refusal or str(address[0]))
        if refusal is not None:
            raise OSError(refusal)
        return socket.socket(family=family, type=kind, proto=protocol)

    progress = Progress(within_s, "opening a WebSocket")
    async with AsyncExitStack() as life:
        try:
            async with progress:
                session = await life.enter_async_context(_session(guarded))
                opened = await session.ws_connect(
                    yarl.URL(parsed.url, encoded=True),
                    headers={**headers, **_credentials(parsed)},
                    max_msg_size=MOST_BYTES,
                    heartbeat=PING_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
        except aiohttp.WSServerHandshakeError as error:
            raise FetchError(
                f"{parsed.name} answered {error.status} to the opening of a WebSocket",
                hint="is the url right, and does the server speak WebSocket there?",
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if refused and not allowed:
                raise BlockedAddress(
                    f"{parsed.host} may not be connected to: {refused[0]}",
                    hint="list its network in delivery.allow_networks of system_config, if it is meant",
                ) from error
            raise network_error(error, parsed, progress) from error
        life.push_async_callback(opened.close)
        return OpenSocket(opened, life.pop_all())


def _session(guarded: Any) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        trace_configs=[trace],
        connector=aiohttp.TCPConnector(socket_factory=guarded),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"callflow/{__version__}"},
        trust_env=False,
    )


async def _refuse_redirect(_: Any, __: Any, seen: aiohttp.TraceRequestRedirectParams) -> None:
    raise BadRedirect(
        f"{one_line(seen.url.host or '', 100)} answered {seen.response.status} to the opening of a WebSocket",
        hint="redirects are not followed there: write the last url",
    )


def _parsed(url: str) -> HttpUrl:
    scheme, colon, rest = url.partition(":")
    if scheme.lower() not in ("ws", "wss") or not colon:
        raise BadUrl(
            f"{mask_url(url)} is no address of a WebSocket", hint="write ws://HOST/PATH or wss://HOST/PATH"
        )
    return parse_url(("http:" if scheme.lower() == "ws" else "https:") + rest)


def _credentials(url: HttpUrl) -> dict[str, str]:
    if url.credentials is None:
        return {}
    return {"Authorization": basic(*url.credentials)}
