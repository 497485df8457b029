"""Layer 2: where a SIP message goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hop:
    """A peer's address. ``transport``: ``udp``, ``tcp`` or ``tls``; ``host``: a numeric address (IPv6 without
    brackets) or, for TLS, the name to verify. ``connection``: the number of an existing stream connection to
    send on while it lives (0: none).
    """

    transport: str
    host: str
    port: int
    connection: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"
