"""Layer 2: offer and answer of a leg's sound (RFC 3264), as pure functions.

A ``Terms`` is what we can do on a leg and where; a ``Description`` comes in and goes out; what both ends
agreed on is an ``Agreed``, whose ``stream`` the media understands.
"""

from __future__ import annotations

from dataclasses import dataclass

from callflow.channels.sip.sdp import Description
from callflow.media.messages import RtpStream


@dataclass(frozen=True, slots=True)
class Terms:
    """What we can do on a leg. ``codecs``: of ``PCMU``, ``PCMA``, ``G722``, the best first. ``srtp``: ``off``,
    ``optional`` or ``required`` (SDES, RFC 4568). ``host`` and ``port``: our RTP. ``session_id``: the number in
    ``o=``, the same for the life of the leg.
    """

    host: str
    port: int
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "G722")
    ptime_ms: int = 20
    srtp: str = "optional"
    session_id: int = 1


@dataclass(frozen=True, slots=True)
class Agreed:
    """``local``: our description (with ``version`` in its ``o=``), ``stream``: for the media; None: nothing was
    offered that carries sound now (all lines refused). ``held``: the peer does not listen to us.
    """

    local: Description
    stream: RtpStream | None
    held: bool


def answer_offer(offer: Description, terms: Terms, version: int) -> Agreed:
    """Our answer to ``offer``. Raises ``BadDescription`` when no line of it can be used."""
    raise NotImplementedError


def make_offer(terms: Terms, version: int, *, direction: str = "sendrecv") -> Description:
    """Our offer."""
    raise NotImplementedError


def take_answer(offer: Description, answer: Description, terms: Terms) -> Agreed:
    """What ``answer`` makes of our ``offer``. Raises ``BadDescription``."""
    raise NotImplementedError
