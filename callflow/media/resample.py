"""Layer 1: other sample rates, by soxr (HQ: flat to 3.4 kHz, no aliases). Lengths are exact.

In 32-bit floats, rounded here: soxr's own 16-bit output is dithered, so silence would become noise and the
same sound in other pieces other samples.
"""

from __future__ import annotations

import numpy as np
import soxr

from callflow.media.taps import Samples


def resampled_length(n: int, rate: int, to_rate: int) -> int:
    """How many samples ``n`` samples at ``rate`` become at ``to_rate`` (to the nearest)."""
    return (2 * n * to_rate + rate) // (2 * rate)


def resample(pcm: Samples, rate: int, to_rate: int) -> Samples:
    """``pcm`` (``[n]`` or ``[n, channels]``) at another rate; exactly ``resampled_length`` long."""
    if rate == to_rate:
        return pcm
    stream = StreamResampler(rate, to_rate, 1 if pcm.ndim == 1 else pcm.shape[1])
    frames = pcm[:, None] if pcm.ndim == 1 else pcm
    out = np.concatenate([stream.push(frames), stream.finish()])
    return out[:, 0] if pcm.ndim == 1 else out


class StreamResampler:
    """Resamples a stream piece by piece; the pieces together are what one call would give."""

    def __init__(self, rate: int, to_rate: int, channels: int) -> None:
        self._rate = rate
        self._to_rate = to_rate
        self._channels = channels
        self._taken = 0
        self._given = 0
        self._stream = (
            None if rate == to_rate else soxr.ResampleStream(rate, to_rate, channels, dtype="float32")
        )

    def push(self, frames: Samples) -> Samples:
        """Take int16 ``[n, channels]``; give what is ready (perhaps nothing)."""
        self._taken += len(frames)
        if self._stream is None:
            return frames
        out = self._convert(frames, last=False)
        self._given += len(out)
        return out

    def finish(self) -> Samples:
        """The rest, so that in all there are exactly ``resampled_length`` samples."""
        if self._stream is None:
            return np.zeros((0, self._channels), np.int16)
        out = self._convert(np.zeros((0, self._channels), np.int16), last=True)
        missing = max(0, resampled_length(self._taken, self._rate, self._to_rate) - self._given)
        if len(out) < missing:
            out = np.concatenate([out, np.zeros((missing - len(out), self._channels), np.int16)])
        return out[:missing]

    def _convert(self, frames: Samples, *, last: bool) -> Samples:
        assert self._stream is not None
        flat = frames[:, 0] if self._channels == 1 else frames
        out = self._stream.resample_chunk(flat.astype(np.float32), last=last)
        rounded: Samples = np.clip(np.rint(out), -32768, 32767).astype(np.int16)
        return rounded.reshape(-1, self._channels)
