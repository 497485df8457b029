"""Layer 6: the process of ``callflow serve``: its loop, its signals, what it says at its start and end."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

from callflow.app import calm_collector, collect_regularly
from callflow.cli._lines import LineWriter
from callflow.cli._network import loop_factory
from callflow.cli._serve_log import log_lines
from callflow.cli._serve_story import Chatter, ServeTeller
from callflow.documents.catalog import Catalog, Prints
from callflow.exchange.exchange import Exchange
from callflow.exchange.options import ExchangeOptions
from callflow.exchange.welcome import welcome

if TYPE_CHECKING:
    from callflow.server.listen import HttpOptions, HttpServer

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter: the loop must not wait for a thread that encodes or syncs."""


def run_server(
    options: ExchangeOptions,
    http: HttpOptions | None,
    catalog: Catalog,
    prints: Prints,
    drain_s: float | None,
    chatter: Chatter,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second one hurries. Raises CallflowError if it cannot
    start.
    """
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(options, http, catalog, prints, drain_s, chatter))


async def _serve(
    options: ExchangeOptions,
    http: HttpOptions | None,
    catalog: Catalog,
    prints: Prints,
    drain_s: float | None,
    chatter: Chatter,
) -> None:
    exchange = Exchange(options, catalog, prints=prints)
    web = None
    if http is not None:
        from callflow.server.listen import HttpServer

        web = HttpServer(exchange, http)
    with closing(LineWriter()) as write, log_lines(write, quiet=chatter is Chatter.QUIET):
        exchange.bus.subscribe(ServeTeller(exchange.clock, write, chatter))
        stop = _heed_signals(exchange)
        async with exchange, AsyncExitStack() as life:
            said = await welcome(exchange) if chatter > Chatter.QUIET else []
            if web is not None:
                said += web_words(await life.enter_async_context(web))
            for line in said:
                write(line)
            calm_collector()
            collecting = asyncio.create_task(collect_regularly(exchange.clock))
            try:
                await stop.wait()
                await exchange.drain(drain_s)
            finally:
                collecting.cancel()
        if chatter > Chatter.QUIET:
            write("ended")


def web_words(web: HttpServer) -> list[str]:
    """Where the HTTP API is, and on loopback a token that lives as long as the process."""
    lines = [f"  {'http':<11}{web.url}"]
    if web.loopback:
        lines.append(f"  {'token':<11}{web.parts.tokens.issue('printed at the start')}")
    return lines


def _heed_signals(exchange: Exchange) -> asyncio.Event:
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
            task = loop.create_task(exchange.reload())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, end)
    loop.add_signal_handler(signal.SIGHUP, reload)
    return stop
