"""Layer 2: addresses that guess passwords or scan are ignored for a while. No input or output.

Only failures count, so that a hundred phones behind one address are no matter.
"""

from __future__ import annotations


class Throttle:
    """Counts failures by address. ``limit`` within a minute: ignored for ``ban_s`` seconds."""

    def __init__(self, *, limit: int, ban_s: float) -> None:
        raise NotImplementedError

    def banned(self, host: str, now: float) -> bool:
        """Whether nothing from ``host`` is to be answered now."""
        raise NotImplementedError

    def failed(self, host: str, now: float) -> bool:
        """``host`` has failed; True: this one has got it banned."""
        raise NotImplementedError
