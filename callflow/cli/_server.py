"""Layer 6: the process of ``callflow serve``: its loop, its signals, what it says at its start and end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callflow.app import calm_collector, collect_regularly
from callflow.cli._lines import LineWriter
from callflow.cli._network import loop_factory
from callflow.cli._serve_json import JsonVoice, lost_line
from callflow.cli._serve_log import TextVoice, logged_to
from callflow.cli._serve_story import Chatter
from callflow.documents.catalog import Catalog, Prints
from callflow.exchange.exchange import Exchange
from callflow.exchange.notify import Notifier, for_this_process
from callflow.exchange.options import ExchangeOptions
from callflow.exchange.welcome import welcome

if TYPE_CHECKING:
    from callflow.server.listen import HttpOptions, HttpServer

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter: the loop must not wait for a thread that encodes or syncs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a server runs: ``http``: where its HTTP API is (None: nowhere); ``drain_s``: how long calls may go
    on at its end (None: as its settings say); what it tells, and whether as JSON.
    """

    http: HttpOptions | None = None
    drain_s: float | None = None
    chatter: Chatter = Chatter.NORMAL
    log_json: bool = False


def run_server(options: ExchangeOptions, manner: Manner, catalog: Catalog, prints: Prints) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second one hurries. Raises CallflowError if it cannot
    start.
    """
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(Exchange(options, catalog, prints=prints), manner))


async def _serve(exchange: Exchange, manner: Manner) -> None:
    chatter, notifier = manner.chatter, for_this_process()
    web = _web(exchange, manner.http)
    with closing(LineWriter(lost_line if manner.log_json else None)) as write:
        kind = JsonVoice if manner.log_json else TextVoice
        voice: JsonVoice | TextVoice = kind(exchange.clock, write, chatter)
        with logged_to(voice.handler, quiet=chatter is Chatter.QUIET):
            exchange.bus.subscribe(voice.on_event)
            stop = _heed_signals(exchange, notifier)
            async with _going_on(notifier.beat(exchange.clock)), exchange, web or AsyncExitStack():
                voice.started(await welcome(exchange), _facts(exchange, web, manner))
                calm_collector()
                notifier.ready()
                async with _going_on(collect_regularly(exchange.clock)):
                    await stop.wait()
                    notifier.stopping()
                    await exchange.drain(manner.drain_s)
            voice.ended()


def _web(exchange: Exchange, http: HttpOptions | None) -> HttpServer | None:
    if http is None:
        return None
    from callflow.server.listen import HttpServer

    return HttpServer(exchange, http)


def _facts(exchange: Exchange, web: HttpServer | None, manner: Manner) -> dict[str, Any]:
    """Where it is. On loopback lines of text have a token that lives as long as the process, but not those of
    a service: its journal is kept, and read by others.
    """
    facts: dict[str, Any] = {"uris": exchange.uris, "accounts": len(exchange.catalog.tenants)}
    if web is not None:
        facts["http"] = web.url
        if web.loopback and not manner.log_json and not os.environ.get("NOTIFY_SOCKET"):
            facts["token"] = web.parts.tokens.issue("printed at the start")
            facts["console"] = f"{web.url}/console/#token={facts['token']}"
    return facts


@asynccontextmanager
async def _going_on(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Within: ``work`` is done beside."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()


def _heed_signals(exchange: Exchange, notifier: Notifier) -> asyncio.Event:
    """SIGTERM and SIGINT set what is given back; the second of them hurries. SIGHUP reads documents anew."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[bool]] = set()

    def end() -> None:
        if stop.is_set():
            exchange.hurry()
        stop.set()

    def reload() -> None:
        if exchange.started:
            notifier.reloading()
            task = loop.create_task(exchange.reload())
            task.add_done_callback(lambda done: notifier.ready())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, end)
    loop.add_signal_handler(signal.SIGHUP, reload)
    return stop
