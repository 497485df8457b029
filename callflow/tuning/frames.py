"""Layer 4: a sound file as the silence detector looks at it: frame by frame, how loud, and whether speech.

A recording of ten hours is looked at once; each setting then needs only these numbers, not the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.errors import AudioFileError
from callflow.media.silence import FRAME_MS, VadJudge

SECONDS_AT_ONCE = 20.0
MAX_CHANNELS = 32


@dataclass(frozen=True, slots=True)
class Frames:
    """A file in frames of 20 ms (a last one that is not whole is left out, as the detector does).

    ``loudness``: ``[channels, frames]``, the mean absolute sample, rounded down (a whole threshold is reached
    by the mean if and only if it is reached by this). ``speech``: the same for what webrtcvad says.
    ``rate`` Hz, ``samples`` per channel; ``size``: samples of a frame.
    """

    name: str
    rate: int
    samples: int
    size: int
    loudness: NDArray[np.int16]
    speech: NDArray[np.bool_]

    @property
    def seconds(self) -> float:
        """The file's length."""
        return self.samples / self.rate

    @property
    def frame_s(self) -> float:
        """A frame's length (20 ms, but for rates that 50 does not divide)."""
        return self.size / self.rate


def channels_of(path: Path) -> tuple[int, float]:
    """How many channels a file has, and its length in seconds. Raises AudioFileError."""
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{path} cannot be read: {error}", hint="Is it a recording?") from None
    if not 1 <= info.channels <= MAX_CHANNELS or info.samplerate < 1000 // FRAME_MS:
        raise AudioFileError(
            f"{path} has {info.channels} channels at {info.samplerate} Hz",
            hint="1 to 32 channels, 8 to 48 kHz",
        )
    return info.channels, info.frames / info.samplerate


def look(path: Path, channel: int, vad_mode: int) -> Frames:
    """One channel of a file as frames. Raises AudioFileError."""
    loudness, speech, samples, rate, size = [], [], 0, 0, 0
    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = file.samplerate
            size = rate * FRAME_MS // 1000
            judge = VadJudge(rate, 1, vad_mode)
            at_once = round(SECONDS_AT_ONCE * 1000 / FRAME_MS) * size
            for block in file.blocks(at_once, dtype="int16", always_2d=True):
                samples += len(block)
                whole = len(block) // size
                sound = np.ascontiguousarray(block[: whole * size, channel])
                sums = np.abs(sound.astype(np.int32)).reshape(whole, size).sum(axis=1)
                loudness.append((sums // size).astype(np.int16))
                speech.append(judge(sound[None, :], size)[0])
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{path} cannot be read: {error}", hint="Is it a recording?") from None
    none: list[NDArray[np.int16]] = [np.zeros(0, np.int16)]
    return Frames(
        path.name,
        rate,
        samples,
        size,
        np.concatenate(loudness or none)[None, :],
        np.concatenate(speech or [np.zeros(0, np.bool_)])[None, :],
    )


def together(channels: list[Frames]) -> Frames:
    """The channels of one file."""
    first = channels[0]
    return Frames(
        first.name,
        first.rate,
        first.samples,
        first.size,
        np.concatenate([one.loudness for one in channels]),
        np.concatenate([one.speech for one in channels]),
    )
