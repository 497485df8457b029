"""Layer 1: what the receiver tells of a row: digits, counts, and all it needs to go on elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from callflow.media.messages import RtpStream
from callflow.media.rtp.conceal import Concealment
from callflow.media.rtp.events import EventTracker
from callflow.media.rtp.waiting import Waited


@dataclass(frozen=True, slots=True)
class DigitAt:
    """A digit that began: ``sample`` of the plane's clock, where the leg's sound has (or will have) it.

    It may lie ahead (sound is held for late packets) or behind (in-band digits are known after 40 ms).
    """

    row: int
    digit: str
    sample: int


@dataclass(frozen=True, slots=True)
class ReceiveStats:
    """What a row has seen since ``add``. Counts are of packets; all but ``ssrc``, ``highest``,
    ``expected_now`` and ``received_now`` go on over changes of SSRC.

    ``received``: of the right form and agreed; ``lost``: never came; ``late``: came after their time;
    ``bad``: not RTP, or of a payload type that was not agreed. ``jitter``: RFC 3550 A.8, in units of the RTP
    clock (8000); ``jitter_ms`` the same in milliseconds. ``highest``: extended highest sequence number
    received (for report blocks); ``expected_now``, ``received_now``: of the current SSRC (RFC 3550 A.3).
    ``concealed``: samples that were made up, at the wire's rate; ``slipped``: samples that drift has taken
    (+) or added (-). ``heard``: sample of the plane's clock when the last packet came, -1: none yet.
    """

    ssrc: int
    received: int
    lost: int
    late: int
    duplicates: int
    bad: int
    jitter: float
    jitter_ms: float
    highest: int
    expected_now: int
    received_now: int
    concealed: int
    slipped: int
    heard: int


@dataclass(frozen=True, slots=True)
class RowState:
    """An exported row. ``at``: the sample of its plane's clock that was to be rendered next."""

    rate: int
    wide: bool
    at: int
    hold_ms: int
    stream: RtpStream | None
    heard: int
    bad: int
    facts: dict[str, object]
    cells: bytes
    hole: Concealment | None
    tracker: EventTracker
    waiting: Waited
