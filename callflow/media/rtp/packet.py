"""Layer 1: RTP headers (RFC 3550 5.1), many at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEADER = 12
"""Bytes of a header without contributing sources and extension, as we write it."""
_PLAIN = 0x80  # version 2, no padding, no extension, no contributing sources
_WORD = 4


@dataclass(slots=True)
class Headers:
    """Fields of K packets. Where ``ok`` is False the packet is no RTP and the other fields mean nothing.

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
    """Headers of the packets in ``data`` (``[K, slot]``, slot at least 12, ``sizes`` bytes of each)."""
    head = np.ascontiguousarray(data[:, :HEADER])
    second = head[:, 1]
    words = head.view(">u4")
    headers = Headers(
        ok=sizes >= HEADER,
        marker=second >= 128,
        payload_type=(second & 127).astype(np.intp),
        sequence=head.view(">u2")[:, 1].astype(np.int64),
        timestamp=words[:, 1].astype(np.int64),
        ssrc=words[:, 2].astype(np.int64),
        start=np.full(len(head), HEADER, np.intp),
        end=np.minimum(sizes, data.shape[1]).astype(np.intp),
    )
    odd = head[:, 0] != _PLAIN
    if odd.any():
        _read_odd(data, np.flatnonzero(odd & headers.ok), headers)
        headers.ok &= head[:, 0] >> 6 == 2
    return headers


def _read_odd(data: NDArray[np.uint8], which: NDArray[np.intp], headers: Headers) -> None:
    """Packets that have more than a plain header: contributing sources, an extension or padding."""
    first = data[which, 0].astype(np.intp)
    start = HEADER + _WORD * (first & 15)
    end = headers.end[which]
    last = data.shape[1] - 1
    extended = first & 16 != 0
    # Where the packet is too short to have a length of its extension, ``fits`` says so.
    high = data[which, np.minimum(start + 2, last)].astype(np.intp)
    low = data[which, np.minimum(start + 3, last)].astype(np.intp)
    fits = ~extended | (start + _WORD <= end)
    start = start + np.where(extended, _WORD + _WORD * (high << 8 | low), 0)
    fits &= start <= end
    padded = first & 32 != 0
    padding = data[which, np.maximum(end - 1, 0)].astype(np.intp)
    fits &= ~padded | ((padding > 0) & (start + padding <= end))
    headers.ok[which] &= fits
    headers.start[which] = start
    headers.end[which] = np.where(padded, end - padding, end)


def write_headers(
    out: NDArray[np.uint8],
    payload_types: NDArray[np.integer] | int,
    markers: NDArray[np.bool_] | bool,
    sequences: NDArray[np.integer],
    timestamps: NDArray[np.integer],
    ssrcs: NDArray[np.integer],
) -> None:
    """Write K headers into ``out[:, :12]`` (uint8 ``[K, slot]``). Numbers are cut to their field's width."""
    head = np.empty((len(out), HEADER), np.uint8)
    head[:, 0] = _PLAIN
    head[:, 1] = np.where(markers, 128, 0) | (np.asarray(payload_types) & 127)
    head.view(">u2")[:, 1] = sequences & 0xFFFF
    words = head.view(">u4")
    words[:, 1] = timestamps & 0xFFFFFFFF
    words[:, 2] = ssrcs & 0xFFFFFFFF
    out[:, :HEADER] = head
