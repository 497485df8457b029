"""Layer 2: the Via header: where a request came from, and its transaction (RFC 3261 20.42, RFC 3581)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAGIC = "z9hG4bK"
"""How the branch of an RFC 3261 transaction begins."""


@dataclass(frozen=True, slots=True)
class Via:
    """``SIP/2.0/UDP host:port;branch=...``; ``port`` 0: none was given. Names of ``params`` are lower case."""

    transport: str
    host: str
    port: int = 0
    params: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> Via:
        """Read one value. Raises MalformedMessage."""
        raise NotImplementedError

    @property
    def branch(self) -> str:
        """The branch, "" without."""
        return self.params.get("branch", "")
