"""Layer 5 (beside ``exchange``): a small phone without an engine: it calls a SIP URI, speaks, listens, hangs up.

What ``callflow call``, the demo and tests place real calls with::

    async with Caller(CallerOptions(), SystemClock()) as caller:
        result = await caller.call(CallPlan("sip:1000@127.0.0.1:5060", audio=("a.wav",), hangup_after_s=10))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from callflow.clock import Clock
from callflow.media.taps import Samples


@dataclass(frozen=True, slots=True)
class CallerOptions:
    """Where the phone is and who it is. ``host``: the local address, empty: the one from which ``towards``
    (a SIP URI) is reached. ``transport``: ``udp``, ``tcp`` or ``tls`` where a URI does not say. ``ca``: a PEM
    file with whom to trust beyond the system's (TLS); ``verify`` False: trust anybody.
    ``codecs``: the best first. ``srtp``: ``off``, ``optional`` or ``required``.
    """

    host: str = ""
    port: int = 0
    towards: str = "sip:127.0.0.1"
    transport: str = "udp"
    username: str = ""
    password: str = field(default="", repr=False)
    name: str = "caller"
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "G722")
    srtp: str = "off"
    media_ports: tuple[int, int] = (33000, 40000)
    ca: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call. Times are seconds from the answer. ``audio``: files or tones, one after the other, ``loop``
    for ever. ``digits``: what is pressed when. ``holds``: from when to when the call is on hold. ``refer``:
    to whom the other end is transferred, and when. ``hangup_after_s`` None: when the other end does (or after
    ``give_up_s``). ``listen``: keep what is heard and said (up to ``keep_s`` seconds) for the result.
    """

    uri: str
    audio: tuple[str, ...] = ()
    loop: bool = False
    digits: tuple[tuple[str, float], ...] = ()
    holds: tuple[tuple[float, float], ...] = ()
    refer: tuple[str, float] | None = None
    hangup_after_s: float | None = None
    ring_s: float = 60.0
    give_up_s: float = 3600.0
    headers: tuple[tuple[str, str], ...] = ()
    listen: bool = True
    keep_s: float = 600.0


@dataclass(frozen=True, slots=True)
class CallResult:
    """How it went. ``cause``: Q.850 name of the end (``NORMAL_CLEARING`` ...), ``status``: the SIP one that
    refused the call; ``message`` and ``hint``: why in words, and what to try. ``setup_s``: INVITE to 200.
    ``heard`` and ``said``: samples at ``rate``, from the moment the leg began.
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


class Caller:
    """The phone. ``async with`` starts and ends it; calls that are left then are hung up."""

    def __init__(self, options: CallerOptions, clock: Clock) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Caller:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        raise NotImplementedError

    @property
    def contact(self) -> str:
        """Where this phone can be called: a SIP URI."""
        raise NotImplementedError

    async def call(self, plan: CallPlan) -> CallResult:
        """Make a call and wait for its end. Never raises for what the other end or the network does."""
        raise NotImplementedError

    async def calls(self, plan: CallPlan, count: int, rate: float) -> Sequence[CallResult]:
        """``count`` calls, ``rate`` new ones a second."""
        raise NotImplementedError

    async def register(self, registrar: str, expires_s: int = 300) -> CallResult:
        """Register with ``registrar`` (a SIP URI ``sip:USER@HOST``) and stay so until the end."""
        raise NotImplementedError

    async def answer(self, plan: CallPlan, *, after_s: float = 0.0) -> CallResult:
        """Wait for the next call, answer it after ``after_s`` seconds and carry it out as ``plan`` says (its
        ``uri`` says nothing); wait for its end.
        """
        raise NotImplementedError
