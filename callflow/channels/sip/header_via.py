"""Layer 2: the Via header: where a request came from, and its transaction (RFC 3261 20.42, RFC 3581)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sipmessage.grammar import C_TOKEN

from callflow.channels.sip.header import join_params, read_params
from callflow.errors import MalformedMessage

MAGIC = "z9hG4bK"
"""How the branch of an RFC 3261 transaction begins."""
_VIA = re.compile(
    rf"SIP\s*/\s*2\.0\s*/\s*([{re.escape(C_TOKEN)}]+)\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)"
    r"(?:\s*:\s*([0-9]{1,5}))?\s*(?=;|\Z)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Via:
    """``SIP/2.0/UDP host:port;branch=...``; ``port`` 0: none was given, names of ``params`` in lower case."""

    transport: str
    host: str
    port: int = 0
    params: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> Via:
        """Read one value. Raises MalformedMessage."""
        found = _VIA.match(text)
        if found is None or (port := int(found[3] or 0)) > 65_535:
            raise MalformedMessage("a Via that cannot be read")
        return Via(found[1].upper(), found[2].lower(), port, read_params(text[found.end() :]))

    @property
    def branch(self) -> str:
        """The branch, "" without."""
        return self.params.get("branch", "")

    @property
    def sent_by(self) -> str:
        """Host and port as they were given: part of what identifies a transaction."""
        return f"{self.host}:{self.port}" if self.port else self.host

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {self.sent_by}{join_params(self.params)}"
