"""Layer 2: what a recording does, as a table. Values and sample counts in, events out; no file, no clock.

    WAITING ──begin──▶ RECORDING ⇄ MASKED / PAUSED ──end──▶ FINISHING ──▶ READY | DISCARDED
       └─end─▶ CANCELLED        (any of them ──fail──▶ FAILED; its spool is kept and may yet be finished)

Masked: silence is written and the file's time goes on. Paused: nothing is written, the file's time stands
still. Both can be asked for at any time, also while the recording still waits, and a mask outlasts a pause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum

from callflow.errors import StateError
from callflow.media.messages import TapPoint
from callflow.media.silence import SilenceDetector, SpeechJudge, VadJudge
from callflow.media.taps import Samples
from callflow.recording.messages import RecordingEvent, RecordingSpec, StartOn


class State(StrEnum):
    """Where a recording is."""

    WAITING = "WAITING"
    RECORDING = "RECORDING"
    MASKED = "MASKED"
    PAUSED = "PAUSED"
    FINISHING = "FINISHING"
    READY = "READY"
    DISCARDED = "DISCARDED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class Step(StrEnum):
    """What can happen to it."""

    BEGIN = "begin"
    MASK = "mask"
    UNMASK = "unmask"
    PAUSE = "pause"
    RESUME = "resume"
    MOVE = "move"
    END = "end"
    FAIL = "fail"
    FINISH = "finish"
    DISCARD = "discard"


TABLE: Mapping[State, Mapping[Step, State]] = {
    State.WAITING: {
        Step.BEGIN: State.RECORDING,
        Step.MASK: State.WAITING,
        Step.UNMASK: State.WAITING,
        Step.PAUSE: State.WAITING,
        Step.RESUME: State.WAITING,
        Step.MOVE: State.WAITING,
        Step.END: State.CANCELLED,
        Step.FAIL: State.FAILED,
    },
    State.RECORDING: {
        Step.MASK: State.MASKED,
        Step.PAUSE: State.PAUSED,
        Step.MOVE: State.RECORDING,
        Step.END: State.FINISHING,
        Step.FAIL: State.FAILED,
    },
    State.MASKED: {
        Step.UNMASK: State.RECORDING,
        Step.PAUSE: State.PAUSED,
        Step.MOVE: State.MASKED,
        Step.END: State.FINISHING,
        Step.FAIL: State.FAILED,
    },
    State.PAUSED: {
        Step.RESUME: State.RECORDING,
        Step.MASK: State.PAUSED,
        Step.UNMASK: State.PAUSED,
        Step.MOVE: State.PAUSED,
        Step.END: State.FINISHING,
        Step.FAIL: State.FAILED,
    },
    State.FINISHING: {
        Step.FINISH: State.READY,
        Step.DISCARD: State.DISCARDED,
        Step.FAIL: State.FAILED,
    },
    State.FAILED: {Step.FINISH: State.READY},
    State.CANCELLED: {Step.FAIL: State.FAILED},
    State.READY: {},
    State.DISCARDED: {},
}
"""Where each step leads. ``RECORDING`` as a target means: as the flags of mask and pause say."""

RUNNING = frozenset({State.RECORDING, State.MASKED, State.PAUSED})
OPEN = RUNNING | {State.WAITING}

_CHANGES: Mapping[Step, str] = {
    Step.BEGIN: "started",
    Step.MASK: "masked",
    Step.UNMASK: "unmasked",
    Step.PAUSE: "paused",
    Step.RESUME: "resumed",
    Step.MOVE: "moved",
    Step.END: "finishing",
    Step.FAIL: "failed",
    Step.FINISH: "ready",
    Step.DISCARD: "discarded",
}

_FLAGS: Mapping[Step, tuple[str, bool]] = {
    Step.MASK: ("masked", True),
    Step.UNMASK: ("masked", False),
    Step.PAUSE: ("paused", True),
    Step.RESUME: ("paused", False),
}


class Recorder:
    """One recording: its state, its length in samples, and when it must end by itself."""

    __slots__ = ("_limit", "_owner", "_silence", "masked", "paused", "points", "samples", "spec", "state")

    def __init__(self, spec: RecordingSpec, judge: SpeechJudge | None = None) -> None:
        """``judge``: who says what is speech, instead of what ``spec.silence`` names."""
        self.spec = spec
        self.points: tuple[TapPoint, ...] = spec.taps
        self._owner = spec.leg
        self.state = State.WAITING
        self.samples = 0  # per channel, in the file
        self.masked = False
        self.paused = False
        limited = 0 < spec.time_limit_s < math.inf
        self._limit = max(1, round(spec.time_limit_s * spec.rate)) if limited else 0
        self._silence = _detector(spec, judge)

    @property
    def leg(self) -> str:
        """The leg it belongs to: its answer, bridge, digits and end count. Empty: it belongs to none."""
        return self.points[0].leg if self._owner is None else self._owner

    def due(self, *, answered: bool, bridged: bool) -> bool:
        """Whether it may begin."""
        if self.spec.start is StartOn.ANSWER:
            return answered
        return bridged if self.spec.start is StartOn.BRIDGE else True

    def apply(self, step: Step, time: float, reason: str = "", message: str = "") -> RecordingEvent:
        """Take a step. Raises StateError (and changes nothing) if the table or a flag does not allow it."""
        target = TABLE[self.state].get(step)
        flag = _FLAGS.get(step)
        if target is None or (flag is not None and getattr(self, flag[0]) is flag[1]):
            now = "".join(f", {name}" for name in ("masked", "paused") if getattr(self, name))
            raise StateError(
                f"recording {self.spec.id} is {self.state}{now}: {step} is not possible",
                hint="look at the order of the actions on this recording",
            )
        if flag is not None:
            setattr(self, *flag)
        change = "cancelled" if target is State.CANCELLED else _CHANGES[step]
        self.state = self._running() if target is State.RECORDING else target
        return self.event(change, time, reason, message)

    def move(self, points: tuple[TapPoint, ...], time: float, leg: str | None = None) -> RecordingEvent:
        """Listen at other legs from now on, and belong to ``leg`` if it is given. Raises StateError if it has
        ended or the number differs.
        """
        if len(points) != len(self.points):
            raise StateError(
                f"recording {self.spec.id} has {len(self.points)} channels, not {len(points)}: move refused",
                hint="give a tap for each channel; TapPoint('', side) is a channel of silence",
            )
        event = self.apply(Step.MOVE, time)
        self.points = points
        self._owner = self._owner if leg is None else leg
        return event

    def event(self, change: str, time: float, reason: str = "", message: str = "") -> RecordingEvent:
        """An event of this recording as it is now."""
        return RecordingEvent(self.spec.id, change, str(self.state), time, self.samples, reason, message)

    def horizon(self, n: int) -> int:
        """How many of the next ``n`` samples pass, at most, before it may end by itself: 1..n."""
        if self._limit:
            n = min(n, self._limit - self.samples)
        if self._silence is not None and self.state is State.RECORDING:
            earliest = self._silence.earliest()
            if earliest is not None:
                n = min(n, earliest)
        return max(1, n)

    def take(self, block: Samples) -> tuple[int, str]:
        """``block`` (int16 ``[channels, n]``) has happened: how much of it is recorded, and why it ends after
        that (empty: it goes on). Counts; the caller writes (zeros if ``MASKED``).
        """
        taken, reason = block.shape[1], ""
        if self._limit and taken >= self._limit - self.samples:
            taken, reason = self._limit - self.samples, "time_limit"
        if self._silence is not None and self.state is State.RECORDING:
            heard = self._silence.commit(block[:, :taken])
            if heard is not None:
                taken, reason = heard.samples, str(heard.what)
        self.samples += taken
        return taken, reason

    def _running(self) -> State:
        if self.paused:
            return State.PAUSED
        return State.MASKED if self.masked else State.RECORDING


def _detector(spec: RecordingSpec, judge: SpeechJudge | None) -> SilenceDetector | None:
    rule = spec.silence
    if rule is None or (rule.initial_ms <= 0 and rule.final_ms <= 0):
        return None
    channels = len(spec.taps)
    if judge is None and rule.detector == "vad":
        judge = VadJudge(spec.rate, channels, rule.vad_mode)
    return SilenceDetector(
        rate=spec.rate,
        channels=channels,
        initial_ms=rule.initial_ms,
        final_ms=rule.final_ms,
        threshold=rule.threshold,
        judge=judge,
        longest_ms=rule.longest_ms,
    )


def too_short(spec: RecordingSpec, samples: int) -> bool:
    """Whether ``record_min_sec`` deletes a recording of ``samples`` per channel."""
    return samples < spec.min_s * spec.rate
