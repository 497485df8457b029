"""Layer 2: a pretend call as values: who says what, who answers when, and what each party does.

Read from a scenario file by ``read.py``, from the flags of the command line by ``flags.py``, or built in a
test. Moments are seconds: of the caller since the call's start, of a callee since it answered, unless
an action says ``since`` otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from callflow.media.messages import Clip

MAX_DURATION_S = 14_400.0
"""A pretend call ends after so long if nobody ends it before."""

QUIET_S = 5.0
"""A pretend conversation ends after so long without anything left to say or do."""


@dataclass(frozen=True, slots=True)
class SayIt:
    """Say more, after what is still being said."""

    clips: tuple[Clip, ...]
    loop: bool = False


@dataclass(frozen=True, slots=True)
class BeQuiet:
    """Stop talking at once."""


@dataclass(frozen=True, slots=True)
class PressDigits:
    """Press keys: as telephone-events, or ``in_band`` as sound."""

    digits: str
    in_band: bool = False


@dataclass(frozen=True, slots=True)
class HangUp:
    """Leave the call."""

    cause: str = "NORMAL_CLEARING"


@dataclass(frozen=True, slots=True)
class PutOnHold:
    """Put the other party on hold (True) or come back to it (False)."""

    held: bool


@dataclass(frozen=True, slots=True)
class TransferTo:
    """Transfer the other party to ``target`` (a number): ``blind``, or ``attended`` after ``consult_s``
    seconds of talk with the target while the other one is on hold. The same transfer is made once a call.
    """

    target: str
    kind: str = "blind"
    consult_s: float = 2.0


Action = SayIt | BeQuiet | PressDigits | HangUp | PutOnHold | TransferTo


@dataclass(frozen=True, slots=True)
class Timed:
    """``action`` at ``at`` seconds since ``since``: ``start`` (of the leg) or ``answer``."""

    at: float
    action: Action
    since: str = "answer"


@dataclass(frozen=True, slots=True)
class Party:
    """What a party does on its leg.

    ``clips`` are said from ``speaks_since`` on (``start`` or ``answer``). ``loss`` is the pattern of lost
    20 ms packets (1: lost), ``jitter_ms`` how late each comes; both repeat. ``delay_s``: what it says is
    heard so much later; a packet that comes later than that is lost too.
    """

    clips: tuple[Clip, ...] = ()
    loop: bool = False
    speaks_since: str = "answer"
    loss: tuple[int, ...] = ()
    delay_s: float = 0.0
    jitter_ms: tuple[float, ...] = ()
    script: tuple[Timed, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """The callee answers after so many seconds of ringing; ``early``: what it sends before (early media)."""

    after_s: float = 0.0
    early: tuple[Clip, ...] = ()


@dataclass(frozen=True, slots=True)
class NeverAnswers:
    """The callee rings until the engine gives up."""

    early: tuple[Clip, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejects:
    """The callee refuses after so many seconds. ``code`` 0: the SIP status that stands for ``cause``."""

    cause: str = "USER_BUSY"
    after_s: float = 0.0
    code: int = 0
    early: tuple[Clip, ...] = ()


Reply = Answers | NeverAnswers | Rejects


@dataclass(frozen=True, slots=True)
class Callee:
    """Somebody the flow rings: how it takes the call, and what it does once it has."""

    reply: Reply = field(default_factory=Answers)
    party: Party = field(default_factory=Party)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One pretend call.

    ``callee`` is whoever is rung, ``endpoints`` the ones that differ, by device id, user id or number.
    ``end_when_quiet_s``: once a callee has answered and nobody has anything left to say or do for so
    long, the caller hangs up (None: does not). ``rate``: samples per second of all legs. A test holds the
    defaults against ``schemas/scenario.json``.
    """

    from_number: str = "1000"
    to_number: str = "2000"
    from_name: str = ""
    user_id: str = ""
    device_id: str = ""
    rate: int = 8000
    caller: Party = field(default_factory=lambda: Party(speaks_since="start"))
    callee: Callee = field(default_factory=Callee)
    endpoints: Mapping[str, Callee] = field(default_factory=dict)
    max_duration_s: float = MAX_DURATION_S
    end_when_quiet_s: float | None = QUIET_S

    def callee_for(self, *names: str) -> Callee:
        """Who picks up for an endpoint that has these names (device id, owner's id, number ...)."""
        for name in names:
            if name and name in self.endpoints:
                return self.endpoints[name]
        return self.callee
