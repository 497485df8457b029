"""Layer 1: lasting silence is not sent, where that was asked for: which packets of a send group are left out.

Silence is what the pump makes where nothing is to be heard: samples that are all zero. It is sent for a
second, so that the far end finds us, no pause in speech is touched and every filter is at rest. Then a packet
a second goes (comfort noise of no loudness where that was agreed, RFC 3389, else silence), so that NAT
bindings, RTP timeouts and latches live. The first packet with any sound goes, whole, with the marker bit
(RFC 3551 4.1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

HANGOVER_MS = 1000
"""So long silence is sent like sound; also after every change of an agreement, whatever was before."""
EVERY_MS = 1000
"""From one packet to the next in a silence."""
NO_NOISE = 127
"""The level of comfort noise that is none (RFC 3389 3)."""

_Slots = NDArray[np.intp]


class Pauses:
    """The slots of one group. ``broken``: packets of theirs were left out since the last one with sound."""

    def __init__(self, slots: int, ticks: int) -> None:
        self._after = HANGOVER_MS // (10 * ticks)
        self._every = EVERY_MS // (10 * ticks)
        self._still: NDArray[np.int64] = np.zeros(slots, np.int64)  # packets of silence up to now
        self._noise: NDArray[np.int16] = np.full(slots, -1, np.int16)
        self.broken: NDArray[np.bool_] = np.zeros(slots, np.bool_)

    def wake(self, slot: int, noise_payload: int) -> None:
        """Its next packets go, whatever is in them. ``noise_payload``: of comfort noise, -1: none."""
        self._still[slot] = 0
        self._noise[slot] = noise_payload

    def move(self, slot: int, last: int) -> None:
        """What is in ``last`` is in ``slot`` from now on."""
        for column in (self._still, self._noise, self.broken):
            column[slot] = column[last]

    def grow(self, former: Pauses) -> None:
        """Go on with the slots of ``former``, which had fewer."""
        slots = len(former.broken)
        self._still[:slots], self._noise[:slots] = former._still, former._noise
        self.broken[:slots] = former.broken

    def choose(self, sound: Samples) -> tuple[_Slots | None, NDArray[np.bool_], list[tuple[int, int]]]:
        """Of packets with ``sound`` (int16 ``[ticks, n, samples]``) of the first ``n`` slots: those that go
        (None: all), where they have the marker bit; and slots that say by comfort noise, of that payload
        type, that they are silent.
        """
        n = sound.shape[1]
        still, broken = self._still[:n], self.broken[:n]
        still += 1
        still[sound.view(np.int64).any(axis=(0, 2))] = 0
        over = still - self._after
        resting = over > 0
        if not resting.any():
            markers = broken.copy()
            broken[:] = False
            return None, markers, []
        again = resting & (over % self._every == 1)
        quiet = again & (self._noise[:n] >= 0)
        goes = np.flatnonzero(~resting | (again & ~quiet))
        markers = (broken & ~resting)[goes]
        broken &= resting
        broken |= resting & (~again | quiet)
        return goes, markers, [(slot, int(self._noise[slot])) for slot in np.flatnonzero(quiet).tolist()]
