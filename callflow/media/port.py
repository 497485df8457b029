"""Layer 1: how everybody else speaks with the pump, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

MediaHandler = Callable[[object], None]


class MediaPort(Protocol):
    """Commands in, events out. Commands are those of ``callflow.media.messages`` and
    ``callflow.recording.messages``; they take effect at the pump's current tick, in order. Events come on
    the engine's loop, in order.
    """

    def send(self, command: object) -> None:
        """Tell the pump something. Does not wait; what cannot be carried out is answered by an event."""

    def subscribe(self, handler: MediaHandler, *, leg: str | None = None) -> Callable[[], None]:
        """Get every media event, or those of one leg; call what comes back to stop."""
