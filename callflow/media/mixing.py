"""Layer 1: arithmetic on samples: mixing, copying by rows, losing packets. All in place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples


def half_mix(a: Samples, b: Samples, out: Samples) -> None:
    """``out = floor((a + b) / 2)``: both at half gain, so it cannot clip. Stays in 16 bits:
    ``a + b = 2 (a & b) + (a ^ b)``. ``out`` must not be ``a`` or ``b``.
    """
    np.bitwise_xor(a, b, out=out)
    np.right_shift(out, 1, out=out)
    out += a & b


def add_clipped(out: Samples, sound: Samples) -> None:
    """``out += sound``, held at the ends of 16 bits instead of wrapping round."""
    total = out.astype(np.int32)
    total += sound
    np.clip(total, -32768, 32767, out=total)
    out[:] = total


_BEND = 24576
_ROOM = 32767 - _BEND


def add_up(parts: Samples, out: Samples) -> None:
    """``out`` = the sum of ``parts`` (int16 ``[parts, n]``), bent where it is loud: up to three quarters of
    full scale it is the sum itself, above that it comes ever closer to full scale and never reaches it, so
    that nothing is cut off. Each sample by itself, so it does not matter how sound is cut into blocks. One
    part alone stays as it is.
    """
    if len(parts) == 1:
        out[:] = parts[0]
        return
    total = np.add.reduce(parts, axis=0, dtype=np.int32)
    loud = np.flatnonzero(np.abs(total) > _BEND)
    if len(loud):
        over = np.abs(total[loud]).astype(np.float64) - _BEND
        bent = _BEND + np.floor(_ROOM * over / (_ROOM + over))
        total[loud] = np.where(total[loud] < 0, -bent, bent)
    out[:] = total


def interleave(block: Samples, out: Samples) -> None:
    """``block`` (``[channels, n]``) into ``out`` (``[n, channels]``), as sound files have it.

    A channel at a time: four times as fast as numpy's own transposed copy. What is interleaved already (live
    taps gather so) is copied in one go.
    """
    if block.flags.f_contiguous:
        out[:] = block.T
        return
    for channel in range(len(block)):
        out[:, channel] = block[channel]


def bridge_rows(rows: Samples, talkers: NDArray[np.intp], listener: NDArray[np.intp], n: int) -> None:
    """What ``talkers`` say (``rows[talker, 0]``) is what ``listener[talker]`` hears (-1: nobody)."""
    listeners = listener[talkers]
    heard = listeners >= 0
    if heard.any():
        rows[listeners[heard], 1, :n] = rows[talkers[heard], 0, :n]


def lose_packets(sound: Samples, start: int, packet: int, keep: Samples) -> None:
    """Silence the lost packets in ``sound``, which begins ``start`` samples after the first packet's begin.

    ``packet``: samples per packet. ``keep``: per packet of the pattern -1 (kept) or 0 (lost); it repeats.
    """
    first = start // packet
    last = (start + len(sound) - 1) // packet
    pattern = keep[np.arange(first, last + 1) % len(keep)]
    offset = start - first * packet
    sound &= np.repeat(pattern, packet)[offset : offset + len(sound)]
