"""Layer 1: RTP headers (RFC 3550 5.1), many at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEADER = 12
"""Bytes of a header without contributing sources and extension, as we write it."""


@dataclass(slots=True)
class Headers:
    """Fields of K packets. Where ``ok`` is False the packet is no RTP and the rest of its fields mean nothing.

    ``start`` and ``end``: where in the packet its payload is, padding taken off.
    """

    ok: NDArray[np.bool_]
    marker: NDArray[np.bool_]
    payload_type: NDArray[np.intp]
    sequence: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    ssrc: NDArray[np.int64]
    start: NDArray[np.intp]
    end: NDArray[np.intp]


def read_headers(data: NDArray[np.uint8], sizes: NDArray[np.intp]) -> Headers:
    """Headers of the packets in ``data`` (``[K, slot]``, ``sizes`` bytes of each)."""
    raise NotImplementedError


def write_headers(
    out: NDArray[np.uint8],
    payload_types: NDArray[np.integer] | int,
    markers: NDArray[np.bool_] | bool,
    sequences: NDArray[np.integer],
    timestamps: NDArray[np.integer],
    ssrcs: NDArray[np.integer],
) -> None:
    """Write K headers into ``out[:, :12]`` (uint8 ``[K, slot]``). Numbers are cut to their field's width."""
    raise NotImplementedError
