"""Layer 1: lasting silence is not sent, where that was asked for: which packets of a send group are left out.

Silence is what the pump makes where nothing is to be heard: samples that are all zero. It is sent for a
second, so that the far end finds us, no pause in speech is touched and every filter is at rest. Then a packet
a second goes (comfort noise of no loudness where that was agreed, RFC 3389, else silence), so that NAT
bindings, RTP timeouts and latches live. The first packet with any sound goes, whole, with the marker bit
(RFC 3551 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

HANGOVER_MS = 1000
"""So long silence is sent like sound; also after every change of an agreement, whatever was before."""
EVERY_MS = 1000
"""From one packet to the next in a silence."""
NO_NOISE = 127
"""The level of comfort noise that is none (RFC 3389 3)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of some packets those that go: ``slots``, of which ``marked`` have the marker bit. ``quiet``: slots
    that say by comfort noise that they are silent, with its payload type.
    """

    slots: NDArray[np.intp]
    marked: list[int]
    quiet: list[tuple[int, int]]


class Pauses:
    """The slots of one group. ``broken``: packets of theirs were left out since the last one with sound."""

    def __init__(self, slots: int, ticks: int) -> None:
        self._sounds = -1 - HANGOVER_MS // (10 * ticks)
        self._every = EVERY_MS // (10 * ticks)
        # Packets of silence: from ``_sounds`` on they are sent; from 0 to ``_every`` only the one at 0.
        self._count: NDArray[np.int64] = np.full(slots, self._sounds, np.int64)
        self._noise: NDArray[np.int16] = np.full(slots, -1, np.int16)
        self._all_talk = False  # have talked in the last packet: then there is nothing to count
        self.broken: NDArray[np.bool_] = np.zeros(slots, np.bool_)

    def wake(self, slot: int, noise_payload: int) -> None:
        """Its next packets go, whatever is in them. ``noise_payload``: of comfort noise, -1: none."""
        self._count[slot] = self._sounds
        self._noise[slot] = noise_payload
        self._all_talk = False

    def move(self, slot: int, last: int) -> None:
        """What is in ``last`` is in ``slot`` from now on."""
        for column in (self._count, self._noise, self.broken):
            column[slot] = column[last]

    def grow(self, former: Pauses) -> None:
        """Go on with the slots of ``former``, which had fewer."""
        slots = len(former.broken)
        self._count[:slots], self._noise[:slots] = former._count, former._noise
        self.broken[:slots] = former.broken

    def choose(self, sound: Samples) -> Chosen | None:
        """Of packets with ``sound`` (int16 ``[ticks, n, samples]``) of the first ``n`` slots; None: all go,
        and nothing else is to be said of them.
        """
        n = sound.shape[1]
        talks = sound.view(np.int64).any(axis=(0, 2))
        before, self._all_talk = self._all_talk, bool(talks.all())
        if before and self._all_talk:
            return None
        count, broken = self._count[:n], self.broken[:n]
        count += 1
        count[talks] = self._sounds
        count[count == self._every] = 0
        left_out = count > 0
        slots = (~left_out).nonzero()[0]
        resting = count[slots] == 0
        marked = slots[broken[slots] & ~resting].tolist()
        if not marked and len(slots) == n and not resting.any():
            return None
        broken |= left_out
        broken[marked] = False
        quiet = slots[resting & (self._noise[slots] >= 0)].tolist()
        if quiet:
            broken[quiet] = True
            slots = np.setdiff1d(slots, quiet, assume_unique=True)
        return Chosen(slots, marked, [(slot, int(self._noise[slot])) for slot in quiet])
