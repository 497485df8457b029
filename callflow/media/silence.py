"""Layer 1: when has nobody spoken for too long? A sans-IO detector over a recording's channels.

Sound is judged in frames of 20 ms: a frame is silent if the mean absolute sample of *every* channel is
below the threshold (kazoo.md 1.5). With ``vad``, a channel of enough energy must also be speech for
webrtcvad. Two timers, as FreeSWITCH has them: *initial* runs until the first speech, *final* counts
continuous silence after it. A third, of our own, ends speech that goes on for too long. Times are counted
in frames of this recording, never in seconds of a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import soxr
import webrtcvad
from numpy.typing import NDArray

from callflow.media.taps import Samples

FRAME_MS = 20
_FRAMES_PER_S = 1000 // FRAME_MS
_FEW = 64
"""Frames that are counted one by one: for so few that is quicker."""
_VAD_RATES = (8000, 16000, 32000, 48000)


class Silence(StrEnum):
    """Which timer ran out; the value is the recording's reason."""

    NO_SPEECH = "no_speech"
    SILENCE = "silence"
    LONGEST = "max_duration"


@dataclass(frozen=True, slots=True)
class Heard:
    """A timer ran out after ``samples`` of the block that was committed."""

    samples: int
    what: Silence


class SpeechJudge(Protocol):
    """Says of whole frames of ``size`` samples, in the order of the sound, on which channels they are speech:
    int16 ``[channels, frames * size]`` in, ``[channels, frames]`` out.
    """

    def __call__(self, sound: Samples, size: int) -> NDArray[np.bool_]: ...


class VadJudge:
    """webrtcvad on each channel; a rate that it does not take is brought to the next lower one that it does.

    ``mode`` 0 (lets most through) .. 3 (strictest).
    """

    def __init__(self, rate: int, channels: int, mode: int) -> None:
        self._rate = rate
        self._to = max((known for known in _VAD_RATES if known <= rate), default=_VAD_RATES[0])
        self._mode = mode
        self._vads = [webrtcvad.Vad(mode) for _ in range(channels)]

    def __reduce__(self) -> tuple[type[VadJudge], tuple[int, int, int]]:
        """For another process: its detectors begin anew (they settle within some frames)."""
        return VadJudge, (self._rate, len(self._vads), self._mode)

    def __call__(self, sound: Samples, size: int) -> NDArray[np.bool_]:
        wanted = self._to // _FRAMES_PER_S
        voices = np.empty((len(sound), sound.shape[1] // size), np.bool_)
        for vad, channel, row in zip(self._vads, sound, voices, strict=True):
            for number in range(len(row)):
                frame = channel[number * size : (number + 1) * size]
                if self._to != self._rate:
                    frame = np.resize(soxr.resample(frame, self._rate, self._to), wanted)
                row[number] = vad.is_speech(frame.tobytes(), self._to)
        return voices


class SilenceDetector:
    """Counts silence. ``initial_ms`` or ``final_ms`` 0: that timer is off. ``longest_ms``: from the first
    speech on, whatever is heard; 0: no such limit.

    ``earliest`` looks ahead without side effects, ``commit`` takes samples in. After a timer has run out no
    more is taken in.
    """

    def __init__(
        self,
        *,
        rate: int,
        channels: int,
        initial_ms: int,
        final_ms: int,
        threshold: int,
        judge: SpeechJudge | None = None,
        longest_ms: int = 0,
    ) -> None:
        self._frame = rate // _FRAMES_PER_S
        self._longest = _frames(longest_ms, rate, self._frame)
        self._since = 0  # frames since the first speech, with it
        self._initial = _frames(initial_ms, rate, self._frame)
        self._final = _frames(final_ms, rate, self._frame)
        self._limit = threshold * self._frame  # a sum below it is a mean below the threshold
        self._judge = judge
        self._rest = np.empty((channels, self._frame), np.int16)  # the frame that is not full yet
        self._filled = 0
        self._run = 0  # silent frames in a row up to now
        self._spoken = False

    def earliest(self) -> int | None:
        """How many samples from now a timer can run out at the earliest, if they are silent; None: never."""
        candidates = []
        if self._longest:
            candidates.append(self._longest - self._since)
        if self._spoken:
            if self._final:
                candidates.append(self._final - self._run)
        else:
            if self._initial:
                candidates.append(self._initial - self._run)
            if self._final:
                candidates.append(1 + self._final)  # a frame of speech comes first
        if not candidates:
            return None
        return min(candidates) * self._frame - self._filled

    def commit(self, block: Samples) -> Heard | None:
        """``block`` (int16 ``[channels, n]``) was recorded; says if and where a timer ran out in it."""
        n = block.shape[1]
        start = 0  # where the first whole frame of the block begins
        if self._filled:
            start = min(self._frame - self._filled, n)
            self._rest[:, self._filled : self._filled + start] = block[:, :start]
            self._filled += start
            if self._filled < self._frame:
                return None
            self._filled = 0
            if (heard := self._count(self._rest, start - self._frame)) is not None:
                return heard
        end = n - (n - start) % self._frame
        if end > start and (heard := self._count(block[:, start:end], start)) is not None:
            return heard
        self._filled = n - end
        self._rest[:, : self._filled] = block[:, end:]
        return None

    def _count(self, sound: Samples, at: int) -> Heard | None:
        """Count the frames of ``sound`` (whole ones, ``at`` samples into the block)."""
        channels, n = sound.shape
        sums = np.abs(sound.astype(np.int32)).reshape(channels, n // self._frame, self._frame).sum(axis=2)
        loud = sums >= self._limit
        if self._judge is not None:
            loud &= self._judge(sound, self._frame)
        speech = loud.any(axis=0)
        if len(speech) > _FEW and not self._longest:
            return self._count_many(speech, at)
        for i, spoken in enumerate(speech.tolist()):
            if (what := self._next(spoken)) is not None:
                return Heard(at + (i + 1) * self._frame, what)
        return None

    def _count_many(self, speech: NDArray[np.bool_], at: int) -> Heard | None:
        """The same as ``_next`` for each frame, for many at once."""
        frames = np.arange(len(speech))
        last = np.maximum.accumulate(np.where(speech, frames, -1))  # the latest speech so far
        run = np.where(last >= 0, frames - last, self._run + 1 + frames)
        spoken = (last >= 0) | self._spoken
        over = ~speech & (run == np.where(spoken, self._final or -1, self._initial or -1))
        first = int(over.argmax())
        if over[first]:
            return Heard(
                at + (first + 1) * self._frame, Silence.SILENCE if spoken[first] else Silence.NO_SPEECH
            )
        self._run, self._spoken = int(run[-1]), bool(spoken[-1])
        return None

    def _next(self, speech: bool) -> Silence | None:
        if self._longest and (speech or self._spoken):
            self._since += 1
        if speech:
            self._run = 0
            self._spoken = True
            return Silence.LONGEST if self._longest and self._since >= self._longest else None
        self._run += 1
        if self._longest and self._since >= self._longest:
            return Silence.LONGEST
        if self._spoken:
            return Silence.SILENCE if self._run == self._final else None
        return Silence.NO_SPEECH if self._run == self._initial else None


def _frames(ms: int, rate: int, frame: int) -> int:
    """Whole frames that last at least ``ms``."""
    return -(-ms * rate // (1000 * frame)) if ms > 0 else 0
