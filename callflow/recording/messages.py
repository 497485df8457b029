"""Layer 2: what a recording is told, and what it tells. Plain frozen dataclasses, fit for ``pickle``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from callflow.media.messages import TapPoint
from callflow.state.events import Message
from callflow.state.transcripts import TranscriptWish


class StartOn(StrEnum):
    """When sample 0 is: at once, or with the call's answer or bridge (at once if that has been)."""

    NOW = "now"
    ANSWER = "answer"
    BRIDGE = "bridge"


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """When silence ends a recording. 0 ms: that timer is off. ``detector``: ``energy`` or ``vad``.
    ``longest_ms``: so long after the first speech it ends in any case.
    """

    initial_ms: int
    final_ms: int
    threshold: int
    detector: str
    vad_mode: int
    longest_ms: int = 0


@dataclass(frozen=True, slots=True)
class FileFormat:
    """The finished file: ``name`` is ``wav``, ``mp3`` or ``ogg``; ``rate`` in Hz (0: the call's)."""

    name: str
    rate: int
    mp3_bitrate_kbps: int
    mp3_quality: int


SEALED = ".age"
"""What the name of a sealed file has behind it."""
SEALED_TYPE = "application/vnd.age"
"""Its content type, registered with IANA."""


def content_type(file_format: str, *, sealed: bool = False) -> str:
    """What the document, the upload and its receiver call a file of this format."""
    if sealed:
        return SEALED_TYPE
    return {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg"}[file_format]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the finished file goes.

    ``kind``: ``http`` (``url`` is the final one, ``method`` put or post), ``couchdb`` (``url`` is the base
    url, ``database`` the account's database), ``storage`` (``plan``: the place as JSON, which may hold
    secrets; ``database`` the path there, ``url`` both for people) or ``local`` (the media store). ``reason``
    says why it is this one, in words (``url of the node``, ``media.store_recordings`` ...).
    """

    kind: str
    url: str = ""
    method: str = "put"
    database: str = ""
    reason: str = ""
    plan: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RecordingSpec:
    """All that a recording is, fixed when it is asked for; ``meta.json`` of its spool is this.

    ``taps``: its channels in order, 1 to 32. ``rate``: of the tapped legs. ``time_limit_s``: seconds of
    recording. ``min_s``: shorter ones are discarded (0: none). ``dtmf_stop``: digits of the first tap's leg
    that end it (``reason`` digit). ``document``: facts for the recording's document (kazoo.md 1.12).
    ``leg``: the leg that it belongs to and ends with (None: that of its first channel; empty: none).
    ``event``: sent once the file is there, with those of its body's keys filled in that are null
    (``start_time``, ``end_time``, ``size``, ``timestamp``). ``seal_to``: the file is sealed to these public
    keys, or to those that its account names when it is finished; None: it is not sealed. ``transcript``: what
    is said is to be written down, once the file is there.
    """

    id: str
    call_id: str
    account_id: str
    taps: tuple[TapPoint, ...]
    rate: int
    start: StartOn
    time_limit_s: float
    min_s: float
    silence: SilenceRule | None
    format: FileFormat
    follow_transfer: bool
    target: Target
    origin: str
    label: str = ""
    media_name: str = ""
    dtmf_stop: str = ""
    requested_wall: float = 0.0
    document: Mapping[str, Any] = field(default_factory=dict)
    leg: str | None = None
    event: Message | None = None
    seal_to: tuple[str, ...] | None = None
    transcript: TranscriptWish | None = None

    @property
    def extension(self) -> str:
        """Of the finished file's name: ``wav``, ``mp3.age``."""
        return self.format.name + (SEALED if self.seal_to is not None else "")


# ---- commands -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Begin (or wait, as ``spec.start`` says). ``answered`` / ``bridged``: what has already been."""

    spec: RecordingSpec
    answered: bool
    bridged: bool


@dataclass(frozen=True, slots=True)
class StopRecording:
    """End it; ``reason`` is kept. A waiting one is cancelled."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Mask:
    """Write silence from now on (time goes on)."""

    id: str


@dataclass(frozen=True, slots=True)
class Unmask:
    """Write sound again."""

    id: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Write nothing from now on (the file's time stands still)."""

    id: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Write again."""

    id: str


@dataclass(frozen=True, slots=True)
class LegNotice:
    """A leg was ``answered`` or ``bridged``: recordings on it that wait for that begin."""

    leg: str
    what: str


@dataclass(frozen=True, slots=True)
class MoveTaps:
    """A transfer: recordings that follow listen at other legs from now on (channel by channel). ``leg``: the
    leg that it belongs to from now on, as in the spec; None: as before.
    """

    id: str
    taps: tuple[TapPoint, ...]
    leg: str | None = None


RecordingCommand = StartRecording | StopRecording | Mask | Unmask | Pause | Resume | LegNotice | MoveTaps


# ---- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordingEvent:
    """A recorder changed its state (``change`` as in ``callflow.events.RecordingChanged``).

    ``samples``: per channel, in the file so far. ``message``: in words, for failures and refused commands
    (``change`` ``refused``: the command did not fit the state; nothing happened).
    """

    id: str
    change: str
    state: str
    time: float
    samples: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SpoolClosed:
    """All audio of a recording is on disk and its lock is free: it can be finished. ``folder``: the spool.

    ``reason`` and ``message``: why it could not be written to its end (``disk_full`` ...; then the spool may
    be short or not there at all); empty: it ended in order.
    """

    id: str
    folder: str
    time: float
    reason: str = ""
    message: str = ""
