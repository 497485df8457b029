"""Layer 1: what the pump is told (commands) and what it tells (media events).

All are plain frozen dataclasses that survive ``pickle``: they are the same whether the pump runs in
the caller's thread or in a process of its own. Times are seconds on the engine's clock; sound is
16-bit linear PCM at the leg's rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callflow.media.room_commands import JoinRoom as JoinRoom
from callflow.media.room_commands import LeaveRoom as LeaveRoom
from callflow.media.room_commands import SetMember as SetMember
from callflow.media.rtp_source import RtpPlace as RtpPlace
from callflow.media.rtp_source import RtpSource as RtpSource
from callflow.media.rtp_source import RtpStream as RtpStream
from callflow.media.rtp_source import SrtpKey as SrtpKey

# ---- where in the sound --------------------------------------------------------------------


class Side(StrEnum):
    """A side of a leg: ``read`` is what comes from its party (what it says), ``write`` what goes to it
    (what it hears), ``mix`` both together without clipping, at half gain each.
    """

    READ = "read"
    WRITE = "write"
    MIX = "mix"


@dataclass(frozen=True, slots=True)
class TapPoint:
    """A place to listen: one channel of a recording. ``leg`` empty: a channel of silence. ``more``: places
    that share the channel; they are added up, and what is too loud then is bent, not cut (``mixing.add_up``).
    """

    leg: str
    side: Side
    more: tuple[TapPoint, ...] = ()

    @property
    def places(self) -> tuple[TapPoint, ...]:
        """All that is heard here: itself first."""
        return (self, *self.more)


# ---- clips: sound to be played --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileClip:
    """An audio file that libsndfile reads; several channels are averaged, other rates resampled."""

    path: str


@dataclass(frozen=True, slots=True)
class ToneClip:
    """A tone: FreeSWITCH's TGML (``%(on_ms,off_ms,f1,f2)`` with ``v=``, ``L=``, ``;``), as Kazoo's
    ``tone_stream://`` takes it. ``callflow.media.tones`` names the usual ones.
    """

    spec: str


@dataclass(frozen=True, slots=True)
class SilenceClip:
    """So many seconds of nothing."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PcmClip:
    """16-bit mono samples, little-endian, at ``rate``; for short generated sound and for tests."""

    pcm: bytes
    rate: int


Clip = FileClip | ToneClip | SilenceClip | PcmClip


# ---- commands -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PretendSource:
    """A pretend party: says nothing until told (``Say``). What it says comes in packets of 20 ms, counted
    from the leg's start, and is played out ``delay_s`` after it was said (the jitter buffer). ``loss`` holds,
    per packet, ``1`` for a lost one; ``jitter_ms`` how much later than said it arrives. Both patterns repeat.
    A packet that is lost, or arrives later than it should be played, is silence of exactly its length; any
    other is at its place, however late it came.
    """

    loss: tuple[int, ...] = ()
    delay_s: float = 0.0
    jitter_ms: tuple[float, ...] = ()


Source = PretendSource | RtpSource
"""What a leg's ``read`` comes from."""


@dataclass(frozen=True, slots=True)
class AddLeg:
    """A new leg. Legs that are ever bridged with each other have one ``rate``, or 8000 and 16000."""

    leg: str
    rate: int
    source: Source


@dataclass(frozen=True, slots=True)
class RemoveLeg:
    """The leg is gone: its bridge, playbacks and taps' view of it end (taps then see silence)."""

    leg: str


@dataclass(frozen=True, slots=True)
class Say:
    """A pretend party says ``clips`` from now on (after what it is still saying); ``loop`` for ever."""

    leg: str
    clips: tuple[Clip, ...]
    loop: bool = False


@dataclass(frozen=True, slots=True)
class Hush:
    """A pretend party stops talking at once."""

    leg: str


@dataclass(frozen=True, slots=True)
class Press:
    """A pretend party presses digits (``0-9*#A-D``), as telephone-events (RFC 4733: no sound), each
    ``tone_s`` long with ``gap_s`` between; each begins on a tick (10 ms) of its own. ``in_band``: as audible
    DTMF over what it says, instead: no ``Digit`` comes of it.
    """

    leg: str
    digits: str
    tone_s: float = 0.1
    gap_s: float = 0.1
    in_band: bool = False


@dataclass(frozen=True, slots=True)
class Bridge:
    """``a`` and ``b`` hear each other. A leg has at most one bridge; a former one ends."""

    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Unbridge:
    """``leg`` (and so its peer) hears nothing from its peer any more."""

    leg: str


@dataclass(frozen=True, slots=True)
class Hold:
    """``held``: the leg neither hears its peer nor is heard by it, without ending the bridge."""

    leg: str
    held: bool


@dataclass(frozen=True, slots=True)
class Muffle:
    """``muted``: nobody on the leg's bridge or in its room hears it; ``deaf``: it hears none of them (what is
    played to it it does). Its digits pass. Stays, whomever it talks with later.
    """

    leg: str
    muted: bool = False
    deaf: bool = False


@dataclass(frozen=True, slots=True)
class Play:
    """Play ``clips`` to a leg. Playbacks of one leg queue up unless ``now`` (then former ones end).

    ``loops``: how often the whole list is played; 0: for ever. A pressed digit in ``terminators`` ends
    it (and the digit event says so). While it plays the leg does not hear its bridge or room, unless ``mix``.
    ``over``: laid over all else that the leg hears, whatever is queued (a beep). ``cause_of``: free text that
    comes back in ``PlaybackDone`` (what this is for).
    """

    leg: str
    playback: str
    clips: tuple[Clip, ...]
    loops: int = 1
    terminators: str = ""
    mix: bool = False
    now: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class StopPlay:
    """End one playback of a leg, or all (``playback`` empty)."""

    leg: str
    playback: str = ""


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send digits to a leg's party as telephone-events, one after the other."""

    leg: str
    digits: str
    tone_s: float = 0.1
    gap_s: float = 0.1


@dataclass(frozen=True, slots=True)
class SetStream:
    """An RTP leg's agreement is made or changed (answer, early media, re-INVITE). Nothing recorded is lost by
    it. ``None``: nothing is sent or taken any more.
    """

    leg: str
    stream: RtpStream | None


LegCommand = (
    AddLeg
    | RemoveLeg
    | SetStream
    | Say
    | Hush
    | Press
    | Bridge
    | Unbridge
    | Hold
    | Muffle
    | JoinRoom
    | SetMember
    | LeaveRoom
    | Play
    | StopPlay
    | SendDigits
)


# ---- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Digit:
    """A party pressed a digit; ``time`` is its start. ``playback``: the playback it ended, if any."""

    leg: str
    digit: str
    time: float
    playback: str = ""


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """A digit that the engine sent (or a bridged party pressed) arrived at a leg's party."""

    leg: str
    digit: str
    time: float


@dataclass(frozen=True, slots=True)
class PlaybackDone:
    """A playback ended: ``reason`` is ``finished``, ``digit``, ``stopped``, ``leg_gone`` or ``failed``
    (``message`` says why).
    """

    leg: str
    playback: str
    reason: str
    time: float
    digit: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SayDone:
    """All that a pretend party was told to say has arrived (none after ``Hush``). ``message``: why it could
    not be said, if so.
    """

    leg: str
    time: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class RtpBegan:
    """The first packet of an RTP leg was taken (again after each latching): from where."""

    leg: str
    time: float
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RtpLost:
    """Nothing has come on an RTP leg for ``silent_s`` seconds (its ``timeout_s``); told once a silence.
    Infinite: the leg is gone with its media process, and will not come back. ``strangers``: packets of the
    leg's life that came from elsewhere, and were refused.
    """

    leg: str
    time: float
    silent_s: float
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class RtpReport:
    """What an RTP leg has seen in its life, told when it is removed. ``strangers``: packets from elsewhere,
    refused; ``late``: came after their time, ``lost``: never came. ``jitter_ms``: RFC 3550 6.4.1, at the end.
    ``loss_there``: fraction that the peer's last RTCP report says it has lost; ``round_trip_ms``: -1 unknown.
    """

    leg: str
    time: float
    sent: int
    received: int
    lost: int
    late: int
    duplicates: int
    strangers: int
    jitter_ms: float
    loss_there: float = 0.0
    round_trip_ms: float = -1.0


LegEvent = Digit | DigitHeard | PlaybackDone | SayDone | RtpBegan | RtpLost | RtpReport
