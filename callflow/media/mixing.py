"""Layer 1: arithmetic on samples: mixing, copying by rows, losing packets. All in place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

# Rows copied at a time when legs are bridged: 64 rows of half a second at 8 kHz stay in a core's cache.
BRIDGE_ROWS = 64


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


def bridge_rows(rows: Samples, listeners: NDArray[np.intp], talkers: NDArray[np.intp], n: int) -> None:
    """What ``talkers`` say (``rows[talker, 0]``) is what ``listeners`` hear (``rows[listener, 1]``)."""
    for first in range(0, len(listeners), BRIDGE_ROWS):
        part = slice(first, first + BRIDGE_ROWS)
        rows[listeners[part], 1, :n] = rows[talkers[part], 0, :n]


def lose_packets(sound: Samples, start: int, packet: int, keep: Samples) -> None:
    """Silence the lost packets in ``sound``, which begins ``start`` samples after the first packet's begin.

    ``packet``: samples per packet. ``keep``: per packet of the pattern -1 (kept) or 0 (lost); it repeats.
    """
    first = start // packet
    last = (start + len(sound) - 1) // packet
    pattern = keep[np.arange(first, last + 1) % len(keep)]
    offset = start - first * packet
    sound &= np.repeat(pattern, packet)[offset : offset + len(sound)]
