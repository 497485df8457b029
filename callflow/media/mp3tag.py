"""Layer 1: the Info frame of an MP3: how much of the decoded sound is the encoder's delay and padding.

The LAME library's stream (by ``lameenc``) comes without it, and then every player adds 1,105 samples in front
and up to two frames behind. The frame stands first in the file, decodes to silence and is skipped by players
that know it. Layout: "Mp3 info tag, rev 1" (LAME project); frame headers: ISO 11172-3 2.4.1.3, 13818-3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from callflow.media.crc16 import crc16

ENCODER_DELAY = 576
"""Samples that LAME puts in front (``lame_get_encoder_delay``); a decoder adds 529 of its own."""

_MPEG1, _MPEG2, _MPEG25 = 3, 2, 0
_RATES = {
    44100: (_MPEG1, 0), 48000: (_MPEG1, 1), 32000: (_MPEG1, 2),
    22050: (_MPEG2, 0), 24000: (_MPEG2, 1), 16000: (_MPEG2, 2),
    11025: (_MPEG25, 0), 12000: (_MPEG25, 1), 8000: (_MPEG25, 2),
}  # fmt: skip
_KBPS_MPEG1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_MPEG2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KBPS_MPEG25 = _KBPS_MPEG2[:8]  # LAME goes no higher there
_LAME_CBR = 1
_TOC_STEPS = 100


@dataclass(frozen=True, slots=True)
class FrameKind:
    """What all frames of a stream have in common."""

    rate: int
    channels: int

    @property
    def version(self) -> int:
        return _RATES[self.rate][0]

    @property
    def samples(self) -> int:
        """Samples per channel in a frame."""
        return 1152 if self.version == _MPEG1 else 576

    @property
    def bitrates(self) -> tuple[int, ...]:
        """The kbit/s there are."""
        return {_MPEG1: _KBPS_MPEG1, _MPEG2: _KBPS_MPEG2, _MPEG25: _KBPS_MPEG25}[self.version]

    @property
    def side_info(self) -> int:
        """Bytes between a frame's header and its data."""
        if self.version == _MPEG1:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17

    def size(self, kbps: int) -> int:
        """Bytes of a frame without padding."""
        return self.samples // 8 * 1000 * kbps // self.rate

    def header(self, kbps: int) -> bytes:
        """The four bytes a frame begins with (no CRC, no padding; joint stereo)."""
        version, rate_index = _RATES[self.rate]
        mode = 0b11 if self.channels == 1 else 0b01
        bitrate_index = self.bitrates.index(kbps) + 1
        return bytes((0xFF, 0xE3 | version << 3, bitrate_index << 4 | rate_index << 2, mode << 6 | 0x04))


def rates() -> tuple[int, ...]:
    """The sample rates an MP3 can have."""
    return tuple(sorted(_RATES))


def nearest_bitrate(kind: FrameKind, kbps: int) -> int:
    """The bitrate there is that is nearest to ``kbps``."""
    return min(kind.bitrates, key=lambda there: (abs(there - kbps), there))


def info_size(kind: FrameKind, kbps: int) -> int:
    """Bytes of the Info frame of a stream of ``kbps``."""
    return kind.size(_info_bitrate(kind, kbps))


def _info_bitrate(kind: FrameKind, kbps: int) -> int:
    """The stream's own bitrate, or the lowest higher one whose frame holds the tag."""
    need = 4 + kind.side_info + 120 + 36
    return next(there for there in kind.bitrates if there >= kbps and kind.size(there) >= need)


def info_frame(kind: FrameKind, kbps: int, quality: int, samples: int, stream: bytes | memoryview) -> bytes:
    """The Info frame for ``stream`` (all its audio frames), which holds ``samples`` samples per channel."""
    starts = list(frame_starts(stream))
    size = info_size(kind, kbps)
    total = size + len(stream)
    padding = max(0, min(0xFFF, len(starts) * kind.samples - ENCODER_DELAY - samples))
    toc = bytes(
        min(255, 256 * (size + starts[len(starts) * step // _TOC_STEPS]) // total) if starts else 0
        for step in range(_TOC_STEPS)
    )
    frame = kind.header(_info_bitrate(kind, kbps)) + bytes(kind.side_info)
    frame += struct.pack(">4sIII", b"Info", 0x0F, len(starts), total) + toc
    frame += struct.pack(">I", max(0, 100 - 10 * quality))
    frame += struct.pack(">9sBB8xBB", b"LAME3.100", _LAME_CBR, 0, 0, min(kbps, 255))
    frame += (ENCODER_DELAY << 12 | padding).to_bytes(3, "big")
    frame += struct.pack(">BBHIH", 0, 0, 0, total, crc16(stream))
    frame += struct.pack(">H", crc16(frame))
    return frame.ljust(size, b"\0")


def frame_starts(stream: bytes | memoryview) -> Iterator[int]:
    """Where each frame of an MP3 stream begins; ends at the first thing that is no frame."""
    at = 0
    while at + 4 <= len(stream):
        found = _frame(bytes(stream[at : at + 4]))
        if found is None:
            return
        yield at
        at += found[1]


@lru_cache(maxsize=256)
def _frame(header: bytes) -> tuple[FrameKind, int] | None:
    """The kind and size of the frame with this header."""
    if header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    place = (header[1] >> 3 & 3, header[2] >> 2 & 3)
    rate = next((rate for rate, there in _RATES.items() if there == place), None)
    bitrate_index = header[2] >> 4
    if rate is None or not 1 <= bitrate_index <= 14:
        return None
    kind = FrameKind(rate, 1 if header[3] >> 6 == 3 else 2)
    kbps = (_KBPS_MPEG1 if kind.version == _MPEG1 else _KBPS_MPEG2)[bitrate_index - 1]
    return kind, kind.size(kbps) + (header[2] >> 1 & 1)


@dataclass(frozen=True, slots=True)
class Mp3Info:
    """What an Info frame says. ``samples``: per channel, without delay and padding."""

    rate: int
    channels: int
    frames: int
    delay: int
    padding: int
    samples: int


def read_info(path: Path) -> Mp3Info | None:
    """The Info frame at the begin of a file, if there is one with LAME's part."""
    with path.open("rb") as file:
        head = file.read(2048)
    found = _frame(head[:4]) if len(head) >= 4 else None
    if found is None:
        return None
    kind = found[0]
    tag = head[4 + kind.side_info :][:156]
    if len(tag) < 156 or tag[:4] not in (b"Info", b"Xing") or tag[4:8] != b"\0\0\0\x0f":
        return None
    frames = int.from_bytes(tag[8:12], "big")
    gap = int.from_bytes(tag[141:144], "big")
    delay, padding = gap >> 12, gap & 0xFFF
    samples = max(0, frames * kind.samples - delay - padding)
    return Mp3Info(kind.rate, kind.channels, frames, delay, padding, samples)
