"""Layer 5 (beside ``exchange``): what the small phone is to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from callflow.media.taps import Samples


@dataclass(frozen=True, slots=True)
class CallerOptions:
    """Where the phone is and who it is. ``host``: the local address, empty: the one from which ``towards``
    (a host) is reached; ``port`` 0: any. ``transport``: ``udp``, ``tcp`` or ``tls`` where a URI does not say.
    ``ca``: a PEM file with whom to trust (TLS), None: whom the system trusts; ``verify`` False: anybody.
    ``name``: the user part of From, or a whole SIP URI; else it is ``username`` (for digest, with
    ``password``). ``codecs``: the best first. ``srtp``: ``off``, ``optional`` or ``required``.
    ``jitter_ms``: how late a packet may come and still be heard, 20 to 500.
    """

    host: str = ""
    port: int = 0
    towards: str = "127.0.0.1"
    transport: str = "udp"
    username: str = ""
    password: str = field(default="", repr=False)
    name: str = ""
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "G722")
    srtp: str = "off"
    jitter_ms: int = 60
    media_ports: tuple[int, int] = (33000, 40000)
    ca: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call. Times are seconds from the answer. ``audio``: files or tones, one after the other, ``loop``
    for ever. ``digits``: what is pressed when. ``holds``: from when to when the call is on hold. ``refer``:
    to whom the other end is transferred, and when. ``hangup_after_s`` None: when the other end does, or after
    ``give_up_s``; or, ``hangup_when_said``, soon after all of ``audio`` was played. ``ring_s``: how long it
    may ring. ``keep_s``: so much of what is heard and said is kept for the result (0: nothing).
    """

    uri: str
    audio: tuple[str, ...] = ()
    loop: bool = False
    digits: tuple[tuple[str, float], ...] = ()
    holds: tuple[tuple[float, float], ...] = ()
    refer: tuple[str, float] | None = None
    hangup_after_s: float | None = None
    hangup_when_said: bool = False
    ring_s: float = 60.0
    give_up_s: float = 3600.0
    headers: tuple[tuple[str, str], ...] = ()
    keep_s: float = 600.0


@dataclass(frozen=True, slots=True)
class CallResult:
    """How it went. ``cause``: Q.850 name of the end (``NORMAL_CLEARING`` ...), ``status``: the SIP one that
    refused the call; ``message`` and ``hint``: why in words, and what to try. ``setup_s``: INVITE to 200.
    ``seconds``: from the answer to the end. ``sent``, ``received``, ``lost``: RTP packets. ``digits``: what
    the other end pressed. ``heard`` and ``said``: samples at ``rate``, from the moment the leg began, side by
    side; ``began``: that moment, by the phone's clock (0: nothing was kept).
    """

    uri: str
    call_id: str
    answered: bool
    cause: str
    status: int = 0
    message: str = ""
    hint: str = ""
    ended_by: str = ""
    setup_s: float = 0.0
    seconds: float = 0.0
    sent: int = 0
    received: int = 0
    lost: int = 0
    digits: str = ""
    rate: int = 8000
    heard: Samples = field(default_factory=lambda: np.zeros(0, np.int16), repr=False)
    said: Samples = field(default_factory=lambda: np.zeros(0, np.int16), repr=False)
    began: float = 0.0
