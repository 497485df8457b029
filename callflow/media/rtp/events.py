"""Layer 1: digits as telephone-events (RFC 4733): payloads read, events told once, events sent."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

EVENT_DIGITS = "0123456789*#ABCD"
"""Digit of each event code 0..15."""
MOST_WAITING = 256
"""Digits that wait to be sent; more are dropped."""
_LONGEST = 0xFFFF  # of a segment's duration, RFC 4733 2.5.1.3
# A segment follows one whose last packets were lost: it begins this late after the other's begin at least.
_SEGMENT = 0xF000
_ENDS = 3
_HALF = 1 << 31


@dataclass(slots=True)
class EventTracker:
    """Tells each digit of one RTP stream once, whatever packets of it are lost, repeated or out of order.

    ``of``: the stream's SSRC; another stream wants another tracker.
    """

    of: int = -1
    _timestamp: int = -1
    _code: int = -1
    _duration: int = 0
    _ended: bool = True

    def take(self, payload: bytes, timestamp: int, marker: bool) -> str:
        """The digit, if ``payload`` is the first that came of its event; else empty. ``timestamp``: RTP's.

        A longer event comes in segments, and some phones count the timestamp up in each packet: neither is a
        new digit.
        """
        if len(payload) < 4:
            return ""
        code, flags = payload[0], payload[1]
        duration = int.from_bytes(payload[2:4], "big")
        if self._timestamp >= 0:
            step = (timestamp - self._timestamp) & 0xFFFFFFFF
            if step == 0 and code == self._code:
                self._duration = max(self._duration, duration)
                self._ended |= flags >= 0x80
                return ""
            if step >= _HALF:
                return ""  # of an event that is over
        else:
            step = 0
        same = self._goes_on(code, step, duration) and not marker
        self._timestamp, self._code = timestamp, code
        self._duration, self._ended = duration, flags >= 0x80
        return "" if same or code >= len(EVENT_DIGITS) else EVENT_DIGITS[code]

    def _goes_on(self, code: int, step: int, duration: int) -> bool:
        if self._ended or code != self._code:
            return False
        return _SEGMENT <= step <= _LONGEST or (duration > self._duration and step <= duration)


@dataclass(frozen=True, slots=True)
class EventPacket:
    """What to send in an event's packet: RTP ``timestamp`` is that of the event's (segment's) begin."""

    timestamp: int
    marker: bool
    payload: bytes


@dataclass(slots=True)
class _Pressed:
    """A digit that is being sent; all but the code in units of the RTP clock."""

    code: int
    tone: int
    gap: int
    timestamp: int = -1
    elapsed: int = 0
    segment: int = 0  # of the tone, what former segments have told
    ends: int = 0


class EventSender:
    """Digits to be sent as telephone-events, one after the other; asked once per packet time.

    ``clock``: the events' RTP clock rate; durations and timestamps are in it.
    """

    def __init__(self, *, clock: int = 8000, ptime_ms: int = 20, volume: int = 10) -> None:
        self._clock = clock
        self._step = clock * ptime_ms // 1000
        self._volume = max(0, min(63, volume))
        self._waiting: deque[_Pressed] = deque()
        self._rest = 0  # of the gap after a digit

    @property
    def busy(self) -> bool:
        """Digits are being sent or are waiting, or the last one's gap is not over."""
        return bool(self._waiting) or self._rest > 0

    def press(self, digit: str, tone_s: float = 0.1, gap_s: float = 0.1) -> None:
        """Send ``digit`` (0-9*#A-D) after those that wait; at most 256 wait, more are dropped."""
        code = EVENT_DIGITS.find(digit.upper()) if len(digit) == 1 else -1
        if code < 0 or len(self._waiting) >= MOST_WAITING:
            return
        tone = max(self._step, round(min(tone_s, 60.0) * self._clock))
        self._waiting.append(_Pressed(code, tone, max(0, round(min(gap_s, 60.0) * self._clock))))

    def next(self, timestamp: int) -> tuple[list[EventPacket], bool]:
        """What to send now. ``timestamp``: RTP timestamp of the packet time that begins (extended, growing).

        Gives the event packets to send (none; one; two where a long event's segment ends) and whether sound
        is to be kept back in this packet time: while an event lasts and its last packet is repeated, in one
        packet time each (RFC 4733 2.5.1.4: three times in all).
        """
        if not self._waiting:
            self._rest = max(0, self._rest - self._step)
            return [], False
        now = self._waiting[0]
        if now.timestamp < 0:
            if self._rest > 0:
                self._rest -= self._step
                return [], False
            now.timestamp = timestamp
        first = now.elapsed == 0
        packets = []
        if now.elapsed < now.tone:
            now.elapsed = min(now.elapsed + self._step, now.tone)
            if now.elapsed - now.segment > _LONGEST:
                packets.append(self._packet(now, _LONGEST, marker=False))
                now.segment += _LONGEST
        packets.append(self._packet(now, now.elapsed - now.segment, marker=first))
        if now.elapsed >= now.tone:
            now.ends += 1
            if now.ends == _ENDS:
                self._waiting.popleft()
                self._rest = now.gap - (_ENDS - 1) * self._step
        return packets, True

    def _packet(self, pressed: _Pressed, duration: int, *, marker: bool) -> EventPacket:
        end = 0x80 if pressed.segment + duration >= pressed.tone else 0
        head = bytes((pressed.code, end | self._volume))
        return EventPacket(pressed.timestamp + pressed.segment, marker, head + duration.to_bytes(2, "big"))
