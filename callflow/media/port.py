"""Layer 1: how everybody else speaks with the pump, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from callflow.media.messages import RtpPlace

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


class RtpPorts(Protocol):
    """Local RTP ports, bound before they are needed: what an SDP answer announces is open already."""

    def take(self, near: str = "") -> RtpPlace:
        """A free port, on the worker that has the leg ``near`` if that is given. Does not wait. Raises
        ``NoMediaPort`` when none is free. ``AddLeg`` with an ``RtpSource`` makes it the leg's, and
        ``RemoveLeg`` frees it.
        """

    def give_back(self, place: RtpPlace) -> None:
        """Free a port that never became a leg's."""
