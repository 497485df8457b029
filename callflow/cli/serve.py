"""Layer 6, ``callflow serve``: take SIP calls, walk their flows, record and deliver."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from callflow.cli import _serve_options as opt
from callflow.cli._network import ports
from callflow.cli._output import fail, terminal
from callflow.errors import CallflowError

if TYPE_CHECKING:
    from callflow.cli._server import Manner
    from callflow.exchange.options import ExchangeOptions
    from callflow.server.listen import HttpOptions

REFUSED = 1
"""Exit code: a document is at fault."""


def main(
    accounts: opt.Accounts,
    system_config: opt.ConfigFolder = None,
    state: opt.StateDir = None,
    bind: opt.Binds = None,
    tls_cert: opt.TlsCert = None,
    tls_key: opt.TlsKey = None,
    media_address: opt.MediaAddress = None,
    media_ports: opt.MediaPorts = "16384-32768",
    workers: opt.Workers = 1,
    http: opt.Http = None,
    http_cert: opt.HttpCert = None,
    http_key: opt.HttpKey = None,
    http_plain: opt.HttpPlain = False,
    http_name: opt.HttpNames = None,
    drain: opt.Drain = None,
    var: opt.Variables = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    log_json: opt.LogJson = False,
) -> None:
    """Take SIP calls for the accounts in DIR until SIGTERM; then let running calls end. SIGHUP, or a changed
    file, reads all documents anew.

    Exit code 0: ended in order; 1: a document is at fault; 2: it cannot start.
    """
    from callflow.cli._serve_story import Chatter
    from callflow.cli._server import Manner
    from callflow.cli.check import around
    from callflow.cli.run import variables
    from callflow.exchange.binding import Bind, TlsFiles
    from callflow.exchange.options import LOOPBACK, ExchangeOptions, MediaOptions
    from callflow.state.folder import default_state

    if tls_key is not None and tls_cert is None:
        fail("--tls-key needs --tls-cert")
    try:
        options = ExchangeOptions(
            state=state or default_state(),
            accounts=accounts,
            around=around,
            system_config=system_config,
            bind=tuple(Bind.parse(text) for text in bind or ()) or (LOOPBACK,),
            tls=TlsFiles(tls_cert, tls_key) if tls_cert is not None else None,
            media=MediaOptions(
                address=_address(media_address), ports=ports(media_ports, "16384-32768"), workers=workers
            ),
            variables=variables(var or ()),
        )
        _check_tls(options)
        for each in options.bind:
            each.check()
        manner = Manner(
            http=_http(http, http_cert, http_key, http_plain, tuple(http_name or ())),
            drain_s=drain,
            chatter=Chatter.VERBOSE if verbose else Chatter(not quiet),
            log_json=log_json,
        )
        code = _serve(options, manner)
    except CallflowError as error:
        fail(f"{error.code}  {error.message}", error.hint or error.fix)
    raise typer.Exit(code)


def _address(text: str | None) -> str:
    """A name would have to be looked up by every phone: most do not."""
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        fail(f"--media-address {text} is no address", "give a numeric one, such as 192.0.2.7")


def _check_tls(options: ExchangeOptions) -> None:
    """A certificate that nothing uses: somebody believes that calls are encrypted."""
    if options.tls is not None and not any("tls" in bind.transports for bind in options.bind):
        fail("--tls-cert is given, but nothing listens for TLS", "add --bind tls:127.0.0.1:5061")


def _http(
    address: str | None, cert: Path | None, key: Path | None, plain: bool, names: tuple[str, ...]
) -> HttpOptions | None:
    """Where HTTP is served, if it is. Raises HttpListenError for what must not be."""
    if address is None:
        if cert is not None or key is not None or plain or names:
            said = "--http-cert, --http-key, --http-plain and --http-name need --http"
            fail(said, "add --http 127.0.0.1:8080")
        return None
    from callflow.exchange.binding import TlsFiles
    from callflow.server.listen import HttpBind, HttpOptions

    if key is not None and cert is None:
        fail("--http-key needs --http-cert")
    tls = TlsFiles(cert, key) if cert is not None else None
    options = HttpOptions(HttpBind.parse(address), tls, plain, names)
    options.check()
    options.context()
    return options


def _serve(options: ExchangeOptions, manner: Manner) -> int:
    """Serve until a signal ends it; gives the exit code. Raises CallflowError."""
    from callflow.cli._server import run_server
    from callflow.documents.catalog import Refusal, fingerprint, read_catalog
    from callflow.documents.settings import user_folder

    config = user_folder(options.system_config)
    prints = fingerprint([options.accounts, *([config] if config is not None else [])])
    catalog = read_catalog(options.accounts, options.system_config, options.around)
    if isinstance(catalog, Refusal):
        stderr = terminal(stderr=True)
        for line in catalog.lines():
            stderr.print(line, markup=False, soft_wrap=True)
        stderr.print("callflow: nothing is served while a document is at fault", soft_wrap=True)
        return REFUSED
    run_server(options, manner, catalog, prints)
    return 0
