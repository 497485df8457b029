"""Layer 1: sound from 8 kHz to 16 kHz and back, for legs of two rates that hear each other, and their taps.

A phone that speaks G.722 runs at 16 kHz, one that speaks G.711 at 8 kHz. Legs of any other rate (pretend
calls may have them) meet their like alone.
"""

from __future__ import annotations

import numpy as np

from callflow.media.rtp.halfband import Doubler, Halver
from callflow.media.taps import Samples

NARROW, WIDE = 8000, 16000
RATES = (NARROW, WIDE)
"""The rates between which sound is carried."""

_ONE_ROW = np.zeros(1, np.intp)


def meets(one: int, other: int) -> bool:
    """Whether legs of these two rates can hear each other."""
    return one == other or (one in RATES and other in RATES)


def crossed(sound: Samples, rate: int) -> Samples:
    """``sound`` (one axis) of ``rate``, one of ``RATES``, at the other, 2 ms later. It remembers nothing: who
    has a long sound in pieces gives a tick of what came before with each, and leaves a tick of the answer
    away.
    """
    carry = Doubler() if rate == NARROW else Halver()
    answer: Samples = carry(_ONE_ROW, sound[np.newaxis])[0]
    return answer
