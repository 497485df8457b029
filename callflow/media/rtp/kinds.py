"""Layer 1: kinds of payload, as numbers, so that a batch of packets can be sorted by them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CODECS = ("", "PCMU", "PCMA", "G722", "event", "noise", "L16/8000", "L16/16000")
"""Kinds of payload by number; 0: none that was agreed."""
PCMU, PCMA, G722, EVENT, NOISE = range(1, 6)

Which = slice | NDArray[np.intp]


def forms(
    kinds: NDArray[np.uint8], starts: NDArray[np.intp], sizes: NDArray[np.intp], which: Which
) -> Iterator[tuple[str, int, int, Which]]:
    """Packets of one codec, one length and one header at a time: nearly always these are all."""
    form = (kinds[which].astype(np.int64) << 32) | (starts[which] << 16) | sizes[which]
    first = int(form[0])
    for one in (first,) if (form == first).all() else np.unique(form).tolist():
        some = which
        if not (form == one).all():
            some = np.flatnonzero(form == one) if isinstance(which, slice) else which[form == one]
        yield CODECS[one >> 32], one >> 16 & 0xFFFF, one & 0xFFFF, some
