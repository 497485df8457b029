"""Layer 1: digits as telephone-events (RFC 4733): payloads read, events told once, events sent."""

from __future__ import annotations

from dataclasses import dataclass

EVENT_DIGITS = "0123456789*#ABCD"
"""Digit of each event code 0..15."""


@dataclass(frozen=True, slots=True)
class EventPacket:
    """What to send in an event's packet: RTP ``timestamp`` is that of the event's (segment's) begin."""

    timestamp: int
    marker: bool
    payload: bytes


class EventSender:
    """Digits to be sent as telephone-events, one after the other; asked once per packet time.

    ``clock``: the events' RTP clock rate; durations and timestamps are in it.
    """

    def __init__(self, *, clock: int = 8000, ptime_ms: int = 20, volume: int = 10) -> None:
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Digits are being sent or are waiting."""
        raise NotImplementedError

    def press(self, digit: str, tone_s: float = 0.1, gap_s: float = 0.1) -> None:
        """Send ``digit`` (0-9*#A-D) after those that wait; at most 256 wait, more are dropped."""
        raise NotImplementedError

    def next(self, timestamp: int) -> tuple[list[EventPacket], bool]:
        """What to send now. ``timestamp``: RTP timestamp of the packet time that begins (extended, growing).

        Gives the event packets to send at once (0, 1; 3 at an event's end, of which the last two repeat it)
        and whether sound is to be kept back in this packet time (while an event lasts).
        """
        raise NotImplementedError
