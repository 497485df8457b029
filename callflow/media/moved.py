"""Layer 1: legs on their way from one media process to another: what goes through the pipe. Survives pickle.

All media processes of an engine count the same samples (time 0 is the same moment for all), so places in time
need no translation. Descriptors of sockets travel beside it, RTP and RTCP of each leg on the network, in
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callflow.media.messages import RtpSource, RtpStream

if TYPE_CHECKING:
    from callflow.media.leg import Leg
    from callflow.media.rtp.events import EventSender
    from callflow.media.rtp.io_reports import ReportsState
    from callflow.media.rtp.latch import Latch
    from callflow.media.rtp.srtp import SrtpIn, SrtpOut


@dataclass(frozen=True, slots=True)
class MovedRtp:
    """The network side of a leg. ``connected``: of whom alone its socket takes packets. ``receiver``: as
    ``RtpReceiver.export`` gave it.
    """

    name: str
    source: RtpSource
    stream: RtpStream | None
    latch: Latch | None
    connected: tuple[str, int] | None
    strangers: int
    srtp_in: SrtpIn | None
    srtp_out: SrtpOut | None
    ssrc: int
    sequence: int
    base: int
    sent: int
    broken: bool
    events: EventSender | None
    reports: ReportsState
    since: float
    told: bool
    relatch: float
    receiver: object


@dataclass(frozen=True, slots=True)
class MovedLegs:
    """Legs that hear each other, whole. ``tick``: the first tick that is not made yet."""

    tick: int
    legs: tuple[Leg, ...]
    nets: tuple[MovedRtp | None, ...]
