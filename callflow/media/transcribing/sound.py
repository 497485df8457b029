"""Layer 1: an audio file's channels, one at a time and piece by piece, at the rate that recognisers want."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from callflow.errors import TranscriptionError

RATE = 16000
"""Hz: what models of speech are trained with."""

MOST_CHANNELS = 32
_BLOCK_S = 5


def shape(path: Path) -> tuple[int, float]:
    """Channels and seconds of a file. Raises TranscriptionError."""
    try:
        info = soundfile.info(str(path))
    except (OSError, soundfile.SoundFileError) as error:
        raise _unreadable(path, error) from error
    if info.channels > MOST_CHANNELS:
        raise TranscriptionError(
            f"{path.name} has {info.channels} channels", hint=f"At most {MOST_CHANNELS} are taken."
        )
    return int(info.channels), float(info.frames / info.samplerate)


def blocks(path: Path, channel: int, rate: int = RATE) -> Iterator[NDArray[np.int16]]:
    """One channel from its begin to its end, as 16-bit samples at ``rate``, in pieces of some seconds. Raises
    TranscriptionError.
    """
    try:
        with soundfile.SoundFile(str(path)) as file:
            resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="int16")
            while True:
                read = file.read(_BLOCK_S * file.samplerate, dtype="int16", always_2d=True)
                last = len(read) < _BLOCK_S * file.samplerate
                piece = np.ascontiguousarray(read[:, channel])
                if file.samplerate != rate:
                    piece = resampler.resample_chunk(piece, last=last)
                if len(piece):
                    yield piece
                if last:
                    return
    except (OSError, soundfile.SoundFileError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TranscriptionError:
    return TranscriptionError(f"{path.name} cannot be read: {error}", hint="Is it a whole audio file?")
