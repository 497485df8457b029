"""Layer 5: what a server runs with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callflow.documents.catalog import Around
from callflow.exchange.binding import Bind, TlsFiles

LOOPBACK = Bind(("udp", "tcp"), "127.0.0.1", 5060)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOptions:
    """``address``: what SDP announces (empty: the address at which the peer reaches us). ``ports``: first and
    last UDP port. ``workers``: media processes; 0: media run in the server's own.
    """

    address: str = ""
    ports: tuple[int, int] = (16384, 32768)
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """``accounts``: a folder of account folders, or one of them. ``flows``: callflows that every account has
    beside its own. ``around``: what documents are judged in.
    ``poll_s``: how often files are looked at for changes (0: only ``reload`` does). ``retry_s``: how often
    recordings that failed are finished anew. ``allow_loopback``: recordings may be sent to this machine.
    """

    state: Path
    accounts: Path
    around: Around
    system_config: Path | None = None
    bind: tuple[Bind, ...] = (LOOPBACK,)
    tls: TlsFiles | None = None
    media: MediaOptions = field(default_factory=MediaOptions)
    variables: Mapping[str, str] = field(default_factory=dict)
    flows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    allow_loopback: bool = False
    poll_s: float = 2.0
    retry_s: float = 300.0
