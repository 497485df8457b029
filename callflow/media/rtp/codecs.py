"""Layer 1: G.711 (many rows at a time, by table) and G.722 (a coder per leg)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from callflow.media.taps import Samples

RTP_CLOCK = 8000
"""Units of an RTP timestamp a second, of all codecs here (G.722 too: RFC 3551 4.5.2)."""
CODEC_RATE = {"PCMU": 8000, "PCMA": 8000, "G722": 16000}
"""Samples a second that each codec carries."""
STATIC_PAYLOADS = {0: "PCMU", 8: "PCMA", 9: "G722", 13: "CN"}
"""RFC 3551 6."""


def decode_g711(codec: str, payload: NDArray[np.uint8], out: Samples) -> None:
    """``payload`` (uint8, any shape) of ``PCMU`` or ``PCMA`` into ``out`` (int16, same shape, contiguous)."""
    raise NotImplementedError


def encode_g711(codec: str, sound: Samples, out: NDArray[np.uint8]) -> None:
    """``sound`` (int16, any shape) into ``out`` (uint8, same shape) as ``PCMU`` or ``PCMA``."""
    raise NotImplementedError


class Encoder(Protocol):
    """A leg's own coder: stateful, fed without a gap."""

    def __call__(self, sound: Samples) -> NDArray[np.uint8]:
        """The payload of ``sound`` (int16 ``[n]`` at the leg's rate; a whole number of 10 ms)."""


class Decoder(Protocol):
    """A leg's own decoder, stateful."""

    def __call__(self, payload: bytes) -> Samples:
        """Samples at the rate it was made for."""


def encoder(codec: str, rate: int) -> Encoder:
    """A coder from sound at ``rate`` (8000 or 16000) to any codec: the simple way for a single leg.

    G.711 at 8000 is better done for all rows by ``encode_g711``; at 16000 by ``Halver`` and ``encode_g711``.
    """
    raise NotImplementedError


def decoder(codec: str, rate: int) -> Decoder:
    """A decoder of any codec to sound at ``rate`` (8000 or 16000)."""
    raise NotImplementedError


class Halver:
    """16 kHz to 8 kHz, streaming, for many rows at once: each row goes on from its last piece."""

    def __call__(self, rows: NDArray[np.intp], sound: Samples) -> Samples:
        """``sound`` int16 ``[K, 2 n]``, the next piece of each of ``rows``; gives int16 ``[K, n]``."""
        raise NotImplementedError

    def reset(self, row: int) -> None:
        """The row begins anew."""
        raise NotImplementedError


class Doubler:
    """8 kHz to 16 kHz, streaming, for many rows at once."""

    def __call__(self, rows: NDArray[np.intp], sound: Samples) -> Samples:
        """``sound`` int16 ``[K, n]``, the next piece of each of ``rows``; gives int16 ``[K, 2 n]``."""
        raise NotImplementedError

    def reset(self, row: int) -> None:
        """The row begins anew."""
        raise NotImplementedError
