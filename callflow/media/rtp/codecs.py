"""Layer 1: the codecs of RTP legs: G.711 by table (``g711.py``), G.722 and L16 by a coder per leg.

L16 (RFC 3551 4.5.11) is for legs to this machine itself (``channels/websocket``): it is never offered by SIP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from G722 import G722
from numpy.typing import NDArray

from callflow.errors import MediaError
from callflow.media.rtp.g711 import decode_g711, encode_g711
from callflow.media.rtp.halfband import Doubler, Halver
from callflow.media.taps import Samples

__all__ = [
    "BYTES_A_TICK", "CODEC_RATE", "G711", "RTP_CLOCK", "STATIC_PAYLOADS", "Decoder", "Doubler", "Encoder",
    "Halver", "decode_g711", "decoder", "encode_g711", "encoder",
]  # fmt: skip

RTP_CLOCK = 8000
"""Units of an RTP timestamp a second, of all codecs here (G.722 too: RFC 3551 4.5.2; L16/16000 is ours)."""
CODEC_RATE: Mapping[str, int] = {
    "PCMU": 8000,
    "PCMA": 8000,
    "G722": 16000,
    "L16/8000": 8000,
    "L16/16000": 16000,
}
"""Samples a second that each codec carries."""
G711 = frozenset({"PCMU", "PCMA"})
BYTES_A_TICK: Mapping[str, int] = {"PCMU": 80, "PCMA": 80, "G722": 80, "L16/8000": 160, "L16/16000": 320}
"""Bytes of 10 ms of each."""
STATIC_PAYLOADS: Mapping[int, str] = {0: "PCMU", 8: "PCMA", 9: "G722", 13: "CN"}
"""Payload types that mean the same in every call (RFC 3551 6)."""
_BITS = 64000
_ROW = np.zeros(1, np.intp)


class Encoder(Protocol):
    """A leg's own coder: stateful, fed without a gap."""

    def __call__(self, sound: Samples) -> NDArray[np.uint8]:
        """The payload of ``sound`` (int16 ``[n]`` at the leg's rate; a whole number of 10 ms)."""


class Decoder(Protocol):
    """A leg's own decoder, stateful."""

    def __call__(self, payload: bytes) -> Samples:
        """Samples at the rate it was made for."""


class _G711Encoder:
    def __init__(self, codec: str, rate: int) -> None:
        self._codec = codec
        self._halve = Halver() if rate == 16000 else None

    def __call__(self, sound: Samples) -> NDArray[np.uint8]:
        if self._halve is not None:
            sound = self._halve(_ROW, sound[None])[0]
        payload = np.empty(len(sound), np.uint8)
        encode_g711(self._codec, sound, payload)
        return payload


class _G711Decoder:
    def __init__(self, codec: str, rate: int) -> None:
        self._codec = codec
        self._double = Doubler() if rate == 16000 else None

    def __call__(self, payload: bytes) -> Samples:
        sound = np.empty(len(payload), np.int16)
        decode_g711(self._codec, np.frombuffer(payload, np.uint8), sound)
        return sound if self._double is None else self._double(_ROW, sound[None])[0]


class _G722Encoder:
    """The library's own 8 kHz mode writes an upper band that other decoders take for noise: so it is brought
    to 16 kHz first.
    """

    def __init__(self, rate: int) -> None:
        self._coder = G722(16000, _BITS)
        self._double = Doubler() if rate == 8000 else None

    def __call__(self, sound: Samples) -> NDArray[np.uint8]:
        if self._double is not None:
            sound = self._double(_ROW, sound[None])[0]
        return np.frombuffer(self._coder.encode(np.ascontiguousarray(sound)), np.uint8)


class _G722Decoder:
    """At 8000 only the lower band is decoded: no resampling is needed."""

    def __init__(self, rate: int) -> None:
        self._coder = G722(rate, _BITS)

    def __call__(self, payload: bytes) -> Samples:
        return np.array(self._coder.decode(payload), np.int16)


class _LinearEncoder:
    def __init__(self, codec: str, rate: int) -> None:
        wanted = CODEC_RATE[codec]
        self._bring = None if wanted == rate else Doubler() if wanted > rate else Halver()

    def __call__(self, sound: Samples) -> NDArray[np.uint8]:
        if self._bring is not None:
            sound = self._bring(_ROW, sound[None])[0]
        return sound.astype(">i2").view(np.uint8)


class _LinearDecoder:
    def __init__(self, codec: str, rate: int) -> None:
        comes = CODEC_RATE[codec]
        self._bring = None if comes == rate else Doubler() if comes < rate else Halver()

    def __call__(self, payload: bytes) -> Samples:
        sound = np.frombuffer(payload, ">i2", len(payload) // 2).astype(np.int16)
        return sound if self._bring is None else self._bring(_ROW, sound[None])[0]


def encoder(codec: str, rate: int) -> Encoder:
    """A coder from sound at ``rate`` (8000 or 16000) to any codec: the simple way for a single leg.

    G.711 at 8000 is better done for all rows by ``encode_g711``; at 16000 by ``Halver`` and ``encode_g711``.
    """
    _check(codec, rate)
    if codec in G711:
        return _G711Encoder(codec, rate)
    return _G722Encoder(rate) if codec == "G722" else _LinearEncoder(codec, rate)


def decoder(codec: str, rate: int) -> Decoder:
    """A decoder of any codec to sound at ``rate`` (8000 or 16000)."""
    _check(codec, rate)
    if codec in G711:
        return _G711Decoder(codec, rate)
    return _G722Decoder(rate) if codec == "G722" else _LinearDecoder(codec, rate)


def _check(codec: str, rate: int) -> None:
    if codec not in CODEC_RATE or rate not in (8000, 16000):
        raise MediaError(
            f"there is no codec {codec[:40]!r} at {rate} samples a second",
            hint=f"Codecs are {', '.join(CODEC_RATE)}; rates 8000 and 16000.",
        )
