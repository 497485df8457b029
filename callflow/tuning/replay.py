"""Layer 4: the real recorder over a recording that is there, with other settings.

The recorder and its silence detector run at 50 samples a second: a frame of 20 ms is one sample, the frame's
mean loudness. The detector compares means with a threshold, so it decides as it does on the whole sound (a
test holds both against each other); what webrtcvad said of each frame is handed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.messages import Side, TapPoint
from callflow.media.silence import FRAME_MS
from callflow.media.taps import Samples
from callflow.recording.messages import FileFormat, RecordingSpec, SilenceRule, StartOn, Target
from callflow.recording.recorder import Recorder, Step
from callflow.tuning.frames import Frames
from callflow.tuning.grid import Setting

RATE = 1000 // FRAME_MS
"""Frames a second: the rate at which the recorder runs here."""
AT_ONCE = 30_000
"""Frames the recorder gets at once: ten minutes."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a recording would have ended: ``seconds`` of it are kept. ``reason``: ``silence``, ``no_speech``,
    ``time_limit``, or empty: it would have gone on to its end.
    """

    seconds: float
    frames: int
    reason: str


class _Said:
    """What webrtcvad has said of the frames, one after the other."""

    def __init__(self, speech: NDArray[np.bool_]) -> None:
        self._speech = speech
        self._at = 0

    def __call__(self, sound: Samples, size: int) -> NDArray[np.bool_]:
        begin, self._at = self._at, self._at + sound.shape[1] // size
        return self._speech[:, begin : self._at]


def replay(frames: Frames, setting: Setting) -> Stop:
    """Where ``setting`` would have ended this recording."""
    count = frames.loudness.shape[1]
    judge = _Said(frames.speech) if setting.detector == "vad" else None
    recorder = Recorder(_spec(frames, setting), judge)
    recorder.apply(Step.BEGIN, 0.0)
    at, reason = 0, ""
    while at < count and not reason:
        taken, reason = recorder.take(frames.loudness[:, at : at + AT_ONCE])
        at += taken
    if reason == "time_limit":
        return Stop(min(setting.limit_s, frames.seconds), at, reason)
    if not reason:  # the detector never saw the part of a frame that is left; the limit may fall into it
        limited = 0 < setting.limit_s < frames.seconds
        return Stop(setting.limit_s if limited else frames.seconds, count, "time_limit" if limited else "")
    return Stop(at * frames.frame_s, at, reason)


def replay_all(frames: Frames, settings: Sequence[Setting]) -> list[Stop]:
    """One after the other."""
    return [replay(frames, setting) for setting in settings]


def _spec(frames: Frames, setting: Setting) -> RecordingSpec:
    """What the recorder is told. Timeouts are counted in frames, as they are at the file's own rate."""
    final, initial = (_in_frames(seconds, frames) for seconds in (setting.final_s, setting.initial_s))
    rule = SilenceRule(initial * FRAME_MS, final * FRAME_MS, setting.threshold, setting.detector, 0)
    channels = len(frames.loudness)
    return RecordingSpec(
        id=frames.name,
        call_id=frames.name,
        account_id="",
        taps=tuple(TapPoint(str(channel), Side.READ) for channel in range(channels)),
        rate=RATE,
        start=StartOn.NOW,
        time_limit_s=setting.limit_s / frames.frame_s / RATE,
        min_s=0.0,
        silence=rule,
        format=FileFormat("wav", 0, 32, 5),
        follow_transfer=False,
        target=Target("local"),
        origin="callflow tune",
    )


def _in_frames(seconds: float, frames: Frames) -> int:
    """Whole frames that last at least so long (as ``media/silence.py`` rounds)."""
    return -(-round(seconds * 1000) * frames.rate // (1000 * frames.size)) if seconds > 0 else 0
