"""Layer 1: G.711 by table, for any number of rows at once; the tables follow ITU-T G.711 (11/88)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

_BIAS = 33  # of the 14-bit magnitude of µ-law
_CLIP = 8158


def _ulaw_samples() -> Samples:
    """Table 2a/2b: sign, three bits of segment, four of step, all inverted; 14 bits of value."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 15) * 2 + _BIAS) << (code >> 4 & 7)) - _BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) * 4).astype(np.int16)


def _alaw_samples() -> Samples:
    """Table 1a/1b: even bits inverted, a set sign bit is positive; 13 bits of value."""
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    magnitude = np.where(segment == 0, step * 2 + 1, (step * 2 + 33) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) * 8).astype(np.int16)


def _every_sample() -> NDArray[np.int64]:
    """All samples in the order of their unsigned view, so that a sample is its place in a table."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _ulaw_codes() -> NDArray[np.uint8]:
    sample = _every_sample() >> 2
    value = np.minimum(np.abs(sample), _CLIP) + _BIAS
    segment = np.floor(np.log2(value)).astype(np.int64) - 5
    code = segment << 4 | (value >> (segment + 1) & 15)
    codes: NDArray[np.uint8] = (np.where(sample < 0, code | 0x80, code) ^ 0xFF).astype(np.uint8)
    return codes


def _alaw_codes() -> NDArray[np.uint8]:
    sample = _every_sample() >> 3
    value = np.where(sample < 0, -sample - 1, sample)
    segment = np.maximum(np.floor(np.log2(np.maximum(value, 1))).astype(np.int64) - 4, 0)
    step = np.where(segment < 2, value >> 1, value >> np.maximum(segment, 1)) & 15
    code = segment << 4 | step
    codes: NDArray[np.uint8] = (np.where(sample < 0, code, code | 0x80) ^ 0x55).astype(np.uint8)
    return codes


SAMPLES: Mapping[str, Samples] = {"PCMU": _ulaw_samples(), "PCMA": _alaw_samples()}
CODES: Mapping[str, NDArray[np.uint8]] = {"PCMU": _ulaw_codes(), "PCMA": _alaw_codes()}


def decode_g711(codec: str, payload: NDArray[np.uint8], out: Samples) -> None:
    """``payload`` (uint8, any shape) of ``PCMU`` or ``PCMA`` into ``out`` (int16, same shape, contiguous)."""
    SAMPLES[codec].take(payload, out=out, mode="clip")


def encode_g711(codec: str, sound: Samples, out: NDArray[np.uint8]) -> None:
    """``sound`` (int16, any shape) into ``out`` (uint8, same shape, contiguous) as ``PCMU`` or ``PCMA``."""
    CODES[codec].take(sound.view(np.uint16), out=out, mode="clip")
