"""Layer 1: RTP packets of all legs of one plane in, their sound at its place in time out. Sans-IO.

The parts: ``packet.py`` reads headers, ``codecs.py`` makes samples, ``placing.py`` knows where in time they
belong, ``ring.py`` keeps them until then, ``conceal.py`` fills holes, ``events.py`` and ``inband.py`` find digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.messages import RtpSource, RtpStream
from callflow.media.rtp.arrivals import Arrivals
from callflow.media.taps import Samples


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
    """What a row has seen since ``add``. Counts are of packets; all but ``ssrc``, ``highest``, ``expected_now``
    and ``received_now`` go on over changes of SSRC.

    ``received``: taken from the socket with the right form; ``lost``: never came; ``late``: came after their
    time; ``bad``: not RTP, or of a payload type that was not agreed. ``jitter``: RFC 3550 A.8, in units of
    the RTP clock (8000); ``jitter_ms`` the same in milliseconds. ``highest``: extended highest sequence number
    received (for report blocks); ``expected_now``, ``received_now``: of the current SSRC (RFC 3550 A.3).
    ``concealed``: samples that were made up, at the leg's rate; ``slipped``: samples that drift has taken (+) or
    added (-). ``heard``: sample of the plane's clock when the last packet came, -1: none yet.
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


class RtpReceiver:
    """The receiving side of all RTP legs of one plane; ``rate``: 8000 or 16000 samples a second.

    ``heard`` (int64 per row): sample of the plane's clock when the row's last valid packet came (-1: none).
    """

    heard: NDArray[np.int64]

    def __init__(self, rate: int) -> None:
        """Raises MediaError for a rate that RTP legs do not have."""
        raise NotImplementedError

    def add(self, row: int, source: RtpSource, now: int) -> None:
        """A new leg in ``row`` of the plane. ``now``: sample of the plane's clock."""
        raise NotImplementedError

    def agree(self, row: int, stream: RtpStream | None, now: int) -> None:
        """What may come from now on; None: nothing. Sound that is waiting for its time is not lost by it."""
        raise NotImplementedError

    def remove(self, row: int) -> ReceiveStats:
        """The leg is gone."""
        raise NotImplementedError

    def take(self, arrivals: Arrivals, now: int) -> list[DigitAt]:
        """Put packets where they belong. ``now``: the sample that is rendered next. Never raises for what is
        in a packet. Gives the digits that began.
        """
        raise NotImplementedError

    def render(self, rows: NDArray[np.intp], out: Samples, start: int, n: int) -> None:
        """``out[row, 0, :n]`` (``out`` is the plane's ``rows``) is made what each of ``rows`` says in samples
        ``start .. start + n`` of the plane's clock. Time only goes on: ``start`` is where the last call ended.
        """
        raise NotImplementedError

    def stats(self, row: int) -> ReceiveStats:
        """What the row has seen up to now."""
        raise NotImplementedError

    def export(self, row: int) -> object:
        """The row's state, to be adopted by another receiver of the same rate (survives pickle)."""
        raise NotImplementedError

    def adopt(self, row: int, state: object, now: int) -> None:
        """Go on with an exported row, so that its sound has no gap; ``now``: this plane's clock."""
        raise NotImplementedError


def silent(out: Samples) -> bool:
    """Whether a row's sound is all zero."""
    return not out.any()
