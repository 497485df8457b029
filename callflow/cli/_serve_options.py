"""Layer 6: the options of ``callflow serve``, one name each, so that the command itself stays readable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Accounts = Annotated[
    Path, typer.Option(metavar="DIR", help="A folder with a folder for each account, or one account's.")
]
ConfigFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="Your system_config.")]
StateDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Recordings and outbox ($CALLFLOW_STATE, else ./callflow-state)."),
]
Binds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[TRANSPORT:]HOST:PORT",
        help="Listen there; may be repeated. Without udp:, tcp: or tls: it is UDP and TCP.  "
        "[default: 127.0.0.1:5060]",
    ),
]
TlsCert = Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate chain for tls:, as PEM.")]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, if it is elsewhere.")]
MediaAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Announced for sound; without it, the address at which a peer reaches us."
    ),
]
MediaPorts = Annotated[str, typer.Option(metavar="LOW-HIGH", help="UDP ports for sound, two for each party.")]
Workers = Annotated[
    int, typer.Option(metavar="N", min=0, max=64, help="Media processes; 0: sound is made in this one.")
]
Drain = Annotated[
    float | None,
    typer.Option(metavar="S", min=0, help="At SIGTERM calls get so long to end.  [default: sip.drain_s]"),
]
Variables = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A placeholder's value; may be repeated.")
]
Http = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Serve the HTTP API there, such as 127.0.0.1:8080; else none."),
]
HttpCert = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate chain of the HTTP API, as PEM: it is https.")
]
HttpKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, if it is elsewhere.")]
HttpPlain = Annotated[
    bool,
    typer.Option("--http-plain", help="Serve HTTP without TLS to other machines, too (behind a proxy)."),
]
HttpNames = Annotated[
    list[str] | None,
    typer.Option("--http-name", metavar="NAME", help="A name that it is called by (a proxy's); repeatable."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Each step of every call, too.")]
LogJson = Annotated[
    bool, typer.Option("--log-json", help="One JSON object a line, with call and recording ids.")
]
