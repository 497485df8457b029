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
