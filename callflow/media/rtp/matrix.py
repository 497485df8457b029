"""Layer 1: matrix products in a tick: in pieces so small that the library does not wake threads for them.

A tick's product takes a few tens of microseconds; waiting for another core that is busy takes milliseconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SMALL = 1 << 18
"""Multiplications that OpenBLAS does in the calling thread."""


def product(rows: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """``rows @ matrix``."""
    each = max(1, _SMALL // matrix.size)
    if len(rows) <= each:
        return rows @ matrix
    out = np.empty((len(rows), matrix.shape[1]), np.float32)
    for at in range(0, len(rows), each):
        np.matmul(rows[at : at + each], matrix, out=out[at : at + each])
    return out
