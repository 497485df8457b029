"""Layer 1: the outline of a sound for drawing: the lowest and highest sample of each of many short pieces.

Any file that libsndfile reads (WAV, MP3, Ogg), block by block: a recording of hours takes no more memory than
one of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.errors import AudioFileError

BLOCK_FRAMES = 1 << 16
MOST_CHANNELS = 32


@dataclass(frozen=True, slots=True)
class Peaks:
    """``pairs``: int8, shape (channels, buckets, 2): lowest and highest of each piece, -128 to 127."""

    pairs: NDArray[np.int8]

    @property
    def channels(self) -> int:
        """How many channels the sound has."""
        return int(self.pairs.shape[0])

    @property
    def buckets(self) -> int:
        """In how many pieces it was cut."""
        return int(self.pairs.shape[1])

    def reduced(self, buckets: int) -> Peaks:
        """The same in fewer pieces; asked for as many or more, as it is."""
        if buckets >= self.buckets:
            return self
        edges = np.arange(buckets) * self.buckets // buckets
        low = np.minimum.reduceat(self.pairs[:, :, 0], edges, axis=1)
        high = np.maximum.reduceat(self.pairs[:, :, 1], edges, axis=1)
        return Peaks(np.stack((low, high), axis=2))


def read_peaks(path: Path, buckets: int) -> Peaks:
    """The peaks of a sound file in ``buckets`` pieces of the same length (fewer, if it has fewer samples).
    Blocks: call it in a thread. Raises AudioFileError.
    """
    try:
        with soundfile.SoundFile(path) as sound:
            channels, frames = sound.channels, sound.frames
            if not 1 <= channels <= MOST_CHANNELS:
                raise AudioFileError(f"{path.name} has {channels} channels, at most {MOST_CHANNELS} are read")
            buckets = max(1, min(buckets, frames))
            low = np.full((channels, buckets), 32767, np.int16)
            high = np.full((channels, buckets), -32768, np.int16)
            edges = np.arange(buckets + 1, dtype=np.int64) * frames // buckets
            at = 0
            while at < frames:
                block = sound.read(BLOCK_FRAMES, dtype="int16", always_2d=True)
                if not len(block):
                    break  # an MP3 whose header promises more than there is
                _note(block.T, at, edges, low, high)
                at += len(block)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{path.name} cannot be read: {error}") from error
    empty = low > high
    low[empty] = high[empty] = 0
    return Peaks(np.stack((low >> 8, high >> 8), axis=2).astype(np.int8))


def _note(
    block: NDArray[np.int16],
    at: int,
    edges: NDArray[np.int64],
    low: NDArray[np.int16],
    high: NDArray[np.int16],
) -> None:
    """Let the samples from ``at`` on count, each for the piece that it is in."""
    first = int(np.searchsorted(edges, at, side="right")) - 1
    last = int(np.searchsorted(edges, at + block.shape[1] - 1, side="right")) - 1
    starts = np.maximum(edges[first : last + 1] - at, 0)
    pieces = slice(first, last + 1)
    low[:, pieces] = np.minimum(low[:, pieces], np.minimum.reduceat(block, starts, axis=1))
    high[:, pieces] = np.maximum(high[:, pieces], np.maximum.reduceat(block, starts, axis=1))
