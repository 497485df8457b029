"""Layer 6: what the commands that take or make real calls share: their event loop, their port ranges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from callflow.cli._output import fail


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is one (not on Windows); None: asyncio's own."""
    try:
        import uvloop
    except ImportError:  # pragma: no cover
        return None
    return uvloop.new_event_loop


def ports(text: str, example: str) -> tuple[int, int]:
    """``--media-ports LOW-HIGH``. Ends with exit code 2 if it is not that."""
    low, _, high = text.partition("-")
    if not (low.isdigit() and high.isdigit() and 0 < int(low) < int(high) <= 65535):
        fail(f"--media-ports {text} is not LOW-HIGH", f"such as {example}")
    return int(low), int(high)
