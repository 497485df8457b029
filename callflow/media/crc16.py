"""Layer 1: the CRC-16 of LAME's tag (polynomial 0x8005, reflected, from 0) over megabytes in milliseconds.

``binascii`` has another CRC-16, and a Python loop over each byte of an hour of MP3 takes many seconds. A CRC
is linear, so lanes of 1 kB are taken side by side with numpy and joined afterwards.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0xA001
_LANE = 1024
_PIECE = 1024 * _LANE


def crc16(data: bytes | memoryview) -> int:
    """The CRC of ``data``."""
    crc = 0
    for first in range(0, len(data), _PIECE):
        crc = _piece(bytes(data[first : first + _PIECE]), crc)
    return crc


def _piece(data: bytes, crc: int) -> int:
    """The CRC of ``data`` that follows data of CRC ``crc``."""
    lanes = len(data) // _LANE
    if lanes:
        columns = np.frombuffer(data, "<u2", lanes * _LANE // 2).reshape(lanes, _LANE // 2).T
        state = _advance(np.zeros(lanes, np.uint16), np.ascontiguousarray(columns))
        low, high = _lane_shift()
        for lane in state.tolist():
            crc = low[crc & 0xFF] ^ high[crc >> 8] ^ lane
    table = _table().tolist()
    for byte in data[lanes * _LANE :]:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def _advance(state: NDArray[np.uint16], columns: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Take two bytes (one little-endian word) into each lane per row of ``columns``."""
    table = _word_table()
    for column in columns:
        state = table.take(state ^ column)
    return state


@cache
def _word_table() -> NDArray[np.uint16]:
    """What two bytes at once make of a CRC that they were mixed into."""
    table, words = _table(), np.arange(65536, dtype=np.uint16)
    once = (words >> 8) ^ table[words & 0xFF]
    twice: NDArray[np.uint16] = (once >> 8) ^ table[once & 0xFF]
    return twice


@cache
def _table() -> NDArray[np.uint16]:
    table = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint16(_POLYNOMIAL), table >> 1).astype(np.uint16)
    return table


@cache
def _lane_shift() -> tuple[list[int], list[int]]:
    """What a lane of zeros makes of each low and each high byte of a CRC."""
    zeros = np.zeros((_LANE // 2, 256), np.uint16)
    bytes_ = np.arange(256, dtype=np.uint16)
    return _advance(bytes_, zeros).tolist(), _advance((bytes_ << 8).astype(np.uint16), zeros).tolist()
