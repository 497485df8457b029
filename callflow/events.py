"""Layer 0: what happens, as values. Logs, ``-o json``, the console and tests all read these.

Every event is a frozen dataclass with a ``NAME`` (``recording.started``), a call time in seconds
(``time``, from the engine's clock) and the ``call_id`` it belongs to. ``as_json`` is the documented
form: ``{"event": NAME, ...fields}`` without the fields that are None. Urls in events are masked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from callflow.bus import Bus


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root: when, and on which call (its A-leg's call id; empty: no call)."""

    NAME: ClassVar[str] = "event"

    time: float
    call_id: str = ""


# ---- the call -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Event):
    """A call has come in and a flow was found for it."""

    NAME: ClassVar[str] = "call.started"

    from_number: str
    to_number: str
    account_id: str = ""
    flow_id: str = ""
    flow_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Event):
    """The A-leg was answered."""

    NAME: ClassVar[str] = "call.answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging(Event):
    """A B-leg is being called."""

    NAME: ClassVar[str] = "call.ringing"

    leg: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBridged(Event):
    """Two legs hear each other from now on."""

    NAME: ClassVar[str] = "call.bridged"

    leg: str
    peer: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUnbridged(Event):
    """A bridge ended."""

    NAME: ClassVar[str] = "call.unbridged"

    leg: str
    peer: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransferred(Event):
    """A party was transferred: ``leg`` left, ``kept`` goes on with ``target``. ``kind``: ``blind``,
    ``attended``, or ``forward`` (``leg`` was rung, and says where else to try).
    """

    NAME: ClassVar[str] = "call.transferred"

    leg: str
    kept: str
    target: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """The call is over; ``cause`` is the hangup cause (``NORMAL_CLEARING`` ...), ``by`` who ended it."""

    NAME: ClassVar[str] = "call.ended"

    cause: str
    by: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitPressed(Event):
    """A party pressed a digit."""

    NAME: ClassVar[str] = "call.digit"

    leg: str
    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaflowDone(Event):
    """Digits have done something beside the walk: ``leg`` pressed ``digits`` (without the binding digit),
    which stand for ``action``; ``did``: in words, what came of it.
    """

    NAME: ClassVar[str] = "call.metaflow"

    leg: str
    digits: str
    action: str
    did: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomJoined(Event):
    """A leg has come into a room (a conference, a page) with so many ``members`` then."""

    NAME: ClassVar[str] = "room.joined"

    leg: str
    room: str
    moderator: bool
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomChanged(Event):
    """What a member of a room may do, or the room's lock, has changed."""

    NAME: ClassVar[str] = "room.changed"

    leg: str
    room: str
    muted: bool
    deaf: bool
    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLeft(Event):
    """A leg is out of a room, with so many ``members`` left; ``reason``: left, key, ended or removed."""

    NAME: ClassVar[str] = "room.left"

    leg: str
    room: str
    reason: str
    members: int


# ---- the walk -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """The walk has reached a node. ``path`` is a JSON pointer within the flow (``/children/_``)."""

    NAME: ClassVar[str] = "step.started"

    path: str
    module: str
    flow_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded(Event):
    """The node's module is done: ``did`` in words, ``outcome`` as the move it made."""

    NAME: ClassVar[str] = "step.ended"

    path: str
    module: str
    outcome: str
    did: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed(Event):
    """Something the author or operator should know. ``level`` is ``info``, ``warning`` or ``error``.

    ``code`` is the stable code of an error (``CF-...``) or of a run-time notice (``CF-RUN-...``).
    """

    NAME: ClassVar[str] = "notice"

    level: str
    code: str
    message: str
    hint: str = ""
    path: str = ""
    module: str = ""


# ---- recordings -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingChanged(Event):
    """A recording changed its state.

    ``change`` is one of ``waiting``, ``started``, ``masked``, ``unmasked``, ``paused``, ``resumed``,
    ``moved`` (followed a transfer), ``finishing``, ``cancelled``, ``discarded``, ``failed``, ``ready``.
    ``reason`` says why where there is one: ``stopped``, ``time_limit``, ``silence``, ``no_speech``,
    ``hangup``, ``transfer``, ``too_short``, ``digit``, ``disk_full``, ``spool_unwritable``, ``recovered`` ...
    """

    NAME: ClassVar[str] = "recording"

    recording_id: str
    change: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    origin: str = ""
    format: str = ""
    bytes: int | None = None
    sha256: str | None = None
    file: str | None = None
    url: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptChanged(Event):
    """What is said in a recording was written down (``change`` ``transcribed``; ``file``: relative to the
    state folder), or will not be (``failed``; ``error`` says why).
    """

    NAME: ClassVar[str] = "transcript"

    recording_id: str
    change: str
    file: str = ""
    error: str = ""


# ---- the account ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord(Event):
    """The module ``edr`` was reached: ``tags`` say who calls whom, ``custom_data`` is its node's data."""

    NAME: ClassVar[str] = "event.record"

    tags: dict[str, Any]
    custom_data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAboutCall(Event):
    """A mail about the call is ``sent``, ``failed``, or ``off`` (none is sent, ``message`` says why)."""

    NAME: ClassVar[str] = "mail"

    module: str
    state: str
    recipients: tuple[str, ...]
    subject: str
    facts: dict[str, Any]
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentChanged(Event):
    """A call has changed a document of its account for good: its top-level ``keys``, never their values."""

    NAME: ClassVar[str] = "document.changed"

    account_id: str
    kind: str
    document_id: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged(Event):
    """A lamp was set by a flow: ``status`` is ``idle``, ``ringing`` or ``busy``."""

    NAME: ClassVar[str] = "presence.changed"

    account_id: str
    presence_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkingChanged(Event):
    """A call was ``parked`` in a slot, was ``retrieved`` from it, or has left it otherwise (its caller has
    gone, or the flow went on): ``abandoned``.
    """

    NAME: ClassVar[str] = "parking"

    change: str
    slot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChanged(Event):
    """A caller in a queue: ``entered``, ``offered`` (to ``agent``, whose phones ring), ``missed`` (by that
    agent), ``connected``, ``handled`` (that talk is over), ``left`` (``reason``: ``timeout``, ``exit_key``,
    ``hangup``, ``empty``, ``full``). ``waited``: seconds since it entered; ``position``: its place, from 1.
    """

    NAME: ClassVar[str] = "queue"

    change: str
    queue_id: str
    agent: str = ""
    position: int = 0
    waited: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(Event):
    """An agent is ``ready``, ``paused`` or ``logged_out`` from now on; with a ``queue_id``: in that queue."""

    NAME: ClassVar[str] = "agent"

    agent: str
    status: str
    queue_id: str = ""


# ---- deliveries -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChanged(Event):
    """A delivery changed: ``queued``, ``sending``, ``delivered``, ``waiting`` (will be retried),
    ``dead``, ``blocked``, ``cancelled``.
    """

    NAME: ClassVar[str] = "delivery"

    delivery_id: str
    recording_id: str
    change: str
    method: str
    url: str
    attempt: int = 0
    status: int | None = None
    seconds: float | None = None
    next_attempt_in: float | None = None
    message: str = ""


Subscriber = Callable[[Event], None]
EventBus = Bus[Event]
"""Hands each event to every subscriber, at once."""


def as_json(event: Event) -> dict[str, Any]:
    """The documented JSON form of an event: one object a line under ``-o json``."""
    body: dict[str, Any] = {"event": event.NAME}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if value is None:
            continue
        body[field.name] = round(value, 6) if isinstance(value, float) else value
    return body


def all_events() -> list[type[Event]]:
    """Every event type, in the order of this file."""
    kinds = [kind for kind in globals().values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, Event) and kind is not Event]
