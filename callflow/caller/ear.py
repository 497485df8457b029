"""Layer 5: keeps what a leg hears and says, sample by sample."""

from __future__ import annotations

import numpy as np

from callflow.media.messages import Side, TapPoint
from callflow.media.taps import Samples


class Ear:
    """A ``Tap`` on one leg: what comes from the far end, and what goes to it. ``most``: samples to keep.

    ``began``: the clock's time of the first of them; None: there is none yet.
    """

    def __init__(self, leg: str, rate: int, most: int) -> None:
        self.points = (TapPoint(leg, Side.READ), TapPoint(leg, Side.WRITE))
        self.rate = rate
        self.began: float | None = None
        self._left = most
        self._blocks: list[Samples] = []

    @property
    def wants_audio(self) -> bool:
        return self._left > 0

    def horizon(self, block: Samples) -> int:
        n: int = block.shape[1]
        return n

    def commit(self, block: Samples, time: float) -> list[object]:
        if self.began is None:
            self.began = time
        part = block[:, : self._left]
        self._blocks.append(part.copy())
        self._left -= part.shape[1]
        return []

    def taken(self) -> tuple[Samples, Samples]:
        """What was heard, and what was said."""
        if not self._blocks:
            return np.zeros(0, np.int16), np.zeros(0, np.int16)
        both = np.concatenate(self._blocks, axis=1)
        return both[0], both[1]
