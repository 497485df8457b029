"""Layer 2: session descriptions (RFC 8866, 4566), read leniently and within bounds, and written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Description:
    """A session description."""


def read_sdp(data: bytes) -> Description:
    """Read a description. Raises ``BadDescription``, and nothing else, whatever the bytes are."""
    raise NotImplementedError
