"""Layer 1: DTMF heard in the sound of many rows (ITU-T Q.23, Q.24), for legs without telephone-events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

_FRAME_MS = 12.75
"""A frame; 102 samples at 8 kHz: frequencies that lie 73 Hz apart can be told."""


class DtmfDetector:
    """Placeholder until filled."""

    def __init__(self, rate: int) -> None:
        self._rate = rate

    def take(self, rows: NDArray[np.intp], sound: Samples, start: int) -> list[tuple[int, str, int]]:
        """``sound`` (``[K, n]``) is what each of ``rows`` says from sample ``start`` on; digits that were found:
        row, digit and the sample of its begin.
        """
        return []

    def forget(self, row: int) -> None:
        """The row begins anew."""
