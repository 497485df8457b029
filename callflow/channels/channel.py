"""Layer 2: what the engine knows of a leg's signalling, whoever it comes from (pretend, SIP, WebRTC).

A ``Channel`` is one leg. The engine answers, rings and hangs up through it, and reads what the far end
does as ``ChannelEvent``. Sound is not here: the leg's name (``leg``) is what media commands use.
Hangup causes are the Q.850 names that Kazoo and FreeSWITCH use (``NORMAL_CLEARING``, ``USER_BUSY`` ...).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Direction(StrEnum):
    """As seen from the engine."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class Party:
    """Who is on a leg: what kazoo.md 1.12 keeps of it. ``trunk``: the resource (carrier) that an inbound call
    came by.
    """

    from_number: str
    to_number: str
    from_name: str = ""
    from_realm: str = "localhost"
    to_realm: str = "localhost"
    user_id: str = ""
    device_id: str = ""
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The far end of an outbound leg has answered."""


@dataclass(frozen=True, slots=True)
class EarlyMedia:
    """The far end of an outbound leg sends sound before it answers."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The leg is gone: ``cause`` (``USER_BUSY``), ``code`` (the SIP status, 0: none), ``by`` who ended it
    (``party``: the far end, ``engine``). ``forward``: a number of the account at which the far end, instead
    of answering, says that it can be reached (empty: none).
    """

    cause: str
    code: int = 0
    by: str = "party"
    forward: str = ""


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """The far end transfers the one it talks to (REFER): ``target`` is a number. ``kind`` is ``blind`` or
    ``attended``; for ``attended``, ``consult`` is the id of the channel on which it has talked to the target.
    """

    target: str
    kind: str
    consult: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """The far end has put the call on hold (True) or takes it back (False)."""

    held: bool


ChannelEvent = Answered | EarlyMedia | Ended | TransferRequested | Held


class Channel(Protocol):
    """One leg's signalling. All methods are safe to call after the leg is gone (they then do nothing)."""

    @property
    def call_id(self) -> str:
        """The leg's call id; for an A-leg, the one in the upload url."""

    @property
    def leg(self) -> str:
        """The leg's name in media commands."""

    @property
    def rate(self) -> int:
        """Samples per second of its sound."""

    @property
    def direction(self) -> Direction: ...

    @property
    def party(self) -> Party: ...

    @property
    def answered(self) -> bool: ...

    @property
    def ended(self) -> Ended | None: ...

    async def next_event(self) -> ChannelEvent:
        """Wait for what the far end does next. After ``Ended`` it is not called again."""

    async def progress(self) -> None:
        """Inbound: send sound before answering (183; ringback, announcements)."""

    async def answer(self) -> None:
        """Inbound: answer (200)."""

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        """End the leg; before the answer ``code`` is the final SIP status (0: from the cause)."""


@dataclass(frozen=True, slots=True)
class DialTarget:
    """Whom to ring. ``endpoint`` is ``device``, ``user`` or ``number``; ``id`` its id or the number;
    ``document`` the device's (or user's) document. ``contact``: which of several ways to it (see
    ``Dialer.expand``), for a number the gateway (``Gateway.key``); empty: the only one. ``delay_s``: rung so
    much later than the others, for ``timeout_s`` seconds (0: as long as the bridge says). ``caller``: who is
    shown as calling; None: who calls. ``confirm``: who answers must press a key to get the call. ``quiet``:
    what it sends before its answer is not heard. ``instead``: rung, one after the other, if it cannot be
    reached.
    """

    endpoint: str
    id: str
    document: Mapping[str, Any] = field(default_factory=dict)
    delay_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    contact: str = ""
    timeout_s: float = 0.0
    caller: Party | None = None
    confirm: bool = False
    quiet: bool = False
    instead: tuple[DialTarget, ...] = ()


class Dialer(Protocol):
    """Where outbound legs come from."""

    def expand(self, target: DialTarget) -> Sequence[DialTarget]:
        """The ways to ``target`` that ring at the same time (a device registered twice: one for each
        contact), at least one: a target that cannot be reached is itself.
        """

    def resting(self, target: DialTarget) -> bool:
        """Whether ``target``, a gateway, failed a moment ago and should be tried after all others."""

    async def dial(
        self, target: DialTarget, *, caller: Party, rate: int, call_id: str, near: str = ""
    ) -> Channel:
        """Start to call ``target``; the channel's events tell how it goes. ``call_id``: of the new leg.
        ``near``: the leg that it will talk with, whose media process it should share.

        Its leg is already in the pump when this returns. A target that cannot be rung at all is a channel
        that ends at once (``USER_NOT_REGISTERED``, ``UNALLOCATED_NUMBER`` ...).
        """


CAUSE_CODES: Mapping[str, int] = {
    "NORMAL_CLEARING": 200,
    "UNALLOCATED_NUMBER": 404,
    "NO_ROUTE_DESTINATION": 404,
    "USER_BUSY": 486,
    "NO_USER_RESPONSE": 408,
    "NO_ANSWER": 480,
    "USER_NOT_REGISTERED": 480,
    "SUBSCRIBER_ABSENT": 480,
    "CALL_REJECTED": 603,
    "DESTINATION_OUT_OF_ORDER": 502,
    "INVALID_NUMBER_FORMAT": 484,
    "NORMAL_TEMPORARY_FAILURE": 503,
    "ORIGINATOR_CANCEL": 487,
    "LOSE_RACE": 487,
    "PICKED_OFF": 487,
    "INCOMPATIBLE_DESTINATION": 488,
    "RECOVERY_ON_TIMER_EXPIRE": 504,
    "SERVICE_NOT_IMPLEMENTED": 501,
}
"""Hangup causes and the SIP status that stands for each (RFC 3398 7.2.4.1 and FreeSWITCH's table)."""
