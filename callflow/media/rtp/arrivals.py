"""Layer 1: a batch of datagrams as they came from the sockets of one tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLOT = 1500
"""Bytes of a row: a longer datagram is cut there (and then read as what is left of it)."""


@dataclass(slots=True)
class Arrivals:
    """RTP packets in the order of their coming. Sources are checked and SRTP is unprotected by now.

    ``data``: uint8 ``[K, SLOT]``, bytes of each packet; ``sizes``: ``[K]``; ``rows``: ``[K]``, the leg's row
    of its plane; ``time``: engine seconds when they came; it is ahead of the plane's clock while late ticks
    are being made up for. ``single``: no row has two packets here. Who gets it only reads it, and keeps no
    view of it.
    """

    data: NDArray[np.uint8]
    sizes: NDArray[np.intp]
    rows: NDArray[np.intp]
    time: float
    single: bool = False

    def some(self, which: NDArray[np.intp]) -> Arrivals:
        """Those packets alone."""
        return Arrivals(self.data[which], self.sizes[which], self.rows[which], self.time, self.single)
